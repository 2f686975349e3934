"""A product queued anew because its image was rejected, and taken out again when the rejection is taken back.

Here: both, within the reviewer's transaction. Not here: decisions (``review.py``), the queue at large (``queue.py``).
"""

from __future__ import annotations

import sqlalchemy as sa

from image_assets.generation.products import find
from image_assets.generation.prompts import PromptBook
from image_assets.generation.queue import NewItem, put_in
from image_assets.generation.tables import history, images, queue


def queue_again(connection: sa.Connection, product_id: int, reason: str, book: PromptBook) -> bool:
    """Queue a product for another image, with the reason in its prompt; before those that never had one.

    Args:
        connection: the transaction of the rejection.
        product_id: the product; its last item is completed.
        reason: why its image was rejected.
        book: what prompts are made by.

    Returns:
        Whether it was put in; False where it is being worked on already, or was never in the queue.
    """
    columns = (queue.c.round, queue.c.priority, queue.c.generation_provider)
    item = connection.execute(
        sa.select(*columns).where(queue.c.product_id == product_id, queue.c.status == "completed").with_for_update()
    ).one_or_none()
    if item is None:
        return False
    product = find(connection, [product_id])[product_id]
    prompt = book.compose(product, round_=item.round + 1, reason=reason)
    new = NewItem(product_id, item.round + 1, prompt)
    priority = min(item.priority + 1, 10)
    return bool(put_in(connection, [new], item.generation_provider, priority, reason=reason))


def take_back(connection: sa.Connection, product_id: int) -> bool:
    """Undo `queue_again`, if nobody has begun with the new item: the product's item is again the completed one.

    Returns:
        Whether it was undone.
    """
    new = connection.execute(
        sa.select(queue.c.id, queue.c.round)
        .where(
            queue.c.product_id == product_id,
            queue.c.status == "pending",
            queue.c.attempt_count == 0,
            queue.c.lost_count == 0,
            queue.c.round > 1,
        )
        .with_for_update()
    ).one_or_none()
    if new is None:
        return False
    made = images.c
    columns = (made.prompt, made.negative_prompt, made.style_preset, made.prompt_variant, made.provider)
    before = connection.execute(
        sa.select(*columns, made.image_url, made.created_at).where(
            made.product_id == product_id, made.round == new.round - 1
        )
    ).one_or_none()
    if before is None:
        return False
    connection.execute(
        sa.update(queue)
        .where(queue.c.id == new.id)
        .values(
            status="completed",
            round=new.round - 1,
            prompt=before.prompt,
            negative_prompt=before.negative_prompt,
            style_preset=before.style_preset,
            prompt_variant=before.prompt_variant,
            generation_provider=before.provider,
            generated_image_url=before.image_url,
            completed_at=before.created_at,
            updated_at=sa.func.now(),
        )
    )
    connection.execute(
        sa.insert(history).values(queue_id=new.id, product_id=product_id, action="taken_back", details={})
    )
    return True
