// sharp as two engines: `node sharp_worker.js documented` and `node sharp_worker.js expert`.
//
// Here: how sharp renders the set, and the worker's side of the protocol that engines.py explains. Not here: who asks
// for what (rendering.py).
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const sharp = require('sharp');

sharp.concurrency(1);
sharp.cache(false); // every request is a different pipeline: a cache would only hold memory

const cover = fs.readFileSync(path.join(__dirname, 'cover.toml'), 'utf8');
const sizes = [...cover.matchAll(/size = \[(\d+), (\d+)\]/g)].map((found) => [Number(found[1]), Number(found[2])]);
const unique = [...new Map(sizes.map((size) => [size.join('x'), size])).values()];
const largest = unique.reduce((one, other) => (one[0] * one[1] >= other[0] * other[1] ? one : other));

// The documented way to make many renditions: one pipeline, cloned per variant.
function documented(source) {
  const pipeline = sharp(source);
  return Promise.all(
    sizes.map(([width, height]) =>
      pipeline.clone().resize(width, height, { fit: 'cover' }).jpeg({ quality: 85 }).toBuffer()
    )
  );
}

// The fastest way found: decode once to the largest variant, make each different variant of it once, and do without
// the second pass over the Huffman tables.
async function expert(source) {
  const [largestWidth, largestHeight] = largest;
  const { data, info } = await sharp(source)
    .resize(largestWidth, largestHeight, { fit: 'cover' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  return Promise.all(
    unique.map(([width, height]) => {
      const pipeline = sharp(data, { raw });
      const resized = width === largestWidth && height === largestHeight
        ? pipeline
        : pipeline.resize(width, height, { fit: 'cover' });
      return resized.jpeg({ quality: 85, optimiseCoding: false }).toBuffer();
    })
  );
}

function peakMib() {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(fs.readFileSync('/proc/self/status', 'ascii'))[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}

async function main() {
  const engine = { documented, expert }[process.argv[2]];
  const { sharp: sharpVersion, vips, mozjpeg } = sharp.versions;
  const versions = { 'Node.js': process.versions.node, sharp: sharpVersion, libvips: vips, 'mozjpeg in sharp': mozjpeg };
  console.log(JSON.stringify({ versions }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { paths, repeat } = JSON.parse(line);
    const sources = paths.map((file) => fs.readFileSync(file));
    let bytes = 0;
    const started = process.hrtime.bigint();
    const before = process.cpuUsage();
    for (let round = 0; round < repeat; round += 1) {
      bytes = 0;
      for (const source of sources) {
        for (const output of await engine(source)) bytes += output.length;
      }
    }
    const { user, system } = process.cpuUsage(before);
    const wall = Number(process.hrtime.bigint() - started) / 1e9;
    console.log(JSON.stringify({ cpu: (user + system) / 1e6, wall, peak: peakMib(), bytes }));
  }
}

main();
