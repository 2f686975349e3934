"""Documents checked as Shopify checks them: parsed, validated, and refused in its words.

Here: errors of the document, which come before anything is executed or paid for. Not here: values of variables
(``variables.py``), and errors of executed fields (the mutations).

graphql-core finds the errors; what they are called is translated, for the mistakes one makes, into the wording of
live answers recorded 2025-01 to 2026-04 (undefinedField, argumentNotAccepted, missingRequiredArguments,
argumentLiteralsIncompatible, missingRequiredInputObjectAttribute, variableNotUsed). The others keep graphql-core's
sentence under Shopify's code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    ArgumentNode,
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    ListValueNode,
    NamedTypeNode,
    Node,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    print_ast,
    specified_rules,
    validate,
    visit,
)

from image_assets.sandbox.shopify.schema import is_one_of, schema
from image_assets.sandbox.shopify.variables import is_gid

_CODES = {
    "FieldsOnCorrectTypeRule": "undefinedField",
    "KnownArgumentNamesRule": "argumentNotAccepted",
    "KnownDirectivesRule": "undefinedDirective",
    "KnownFragmentNamesRule": "useAndDefineFragment",
    "KnownTypeNamesRule": "undefinedType",
    "NoUndefinedVariablesRule": "variableNotDefined",
    "NoUnusedFragmentsRule": "useAndDefineFragment",
    "NoUnusedVariablesRule": "variableNotUsed",
    "OverlappingFieldsCanBeMergedRule": "fieldConflict",
    "PossibleFragmentSpreadsRule": "cannotSpreadFragment",
    "ProvidedRequiredArgumentsRule": "missingRequiredArguments",
    "ScalarLeafsRule": "selectionMismatch",
    "ValuesOfCorrectTypeRule": "argumentLiteralsIncompatible",
    "VariablesInAllowedPositionRule": "variableMismatch",
    "VariablesAreInputTypesRule": "variableRequiresValidType",
}
_QUOTED = re.compile(r"'([^']*)'")
_SYNTAX = re.compile(r"^Syntax Error: ")
MAX_DOCUMENTS = 256


@dataclass(frozen=True)
class Prepared:
    """A document, or what is wrong with it; ``errors`` are as they are sent."""

    document: DocumentNode | None
    errors: tuple[dict[str, Any], ...]

    @property
    def operations(self) -> list[OperationDefinitionNode]:
        """The document's operations."""
        nodes = self.document.definitions if self.document else ()
        return [node for node in nodes if isinstance(node, OperationDefinitionNode)]

    @property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        """The document's fragments by name."""
        nodes = self.document.definitions if self.document else ()
        return {node.name.value: node for node in nodes if isinstance(node, FragmentDefinitionNode)}


@lru_cache(MAX_DOCUMENTS)
def prepare(text: str) -> Prepared:
    """Parse and validate a document."""
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        return Prepared(None, (_syntax_error(error),))
    paths = _paths(document)
    errors = [
        _translated(rule, error, paths)
        for rule in specified_rules
        for error in validate(schema(), document, [rule])
        # graphql-core's own check, which only its later 3.2 releases have; ours follows.
        if not error.message.startswith("OneOf Input Object")
    ]
    errors += [_shaped(error, paths) for error in _literal_errors(document)]
    return Prepared(document, tuple(errors))


def _syntax_error(error: GraphQLSyntaxError) -> dict[str, Any]:
    locations = [{"line": place.line, "column": place.column} for place in error.locations or []]
    where = f" at [{locations[0]['line']}, {locations[0]['column']}]" if locations else ""
    ended = "<EOF>" in error.message
    what = "unexpected end of file" if ended else _SYNTAX.sub("", error.message).rstrip(".")
    return {"message": f"syntax error, {what}{where}", "locations": locations}


def _shaped(error: GraphQLError, paths: dict[int, list[str | int]]) -> dict[str, Any]:
    node = error.nodes[0] if error.nodes else None
    locations = [{"line": place.line, "column": place.column} for place in error.locations or []]
    return {
        "message": error.message,
        "locations": locations[:1],
        "path": paths.get(id(node), []),
        "extensions": dict(error.extensions or {}),
    }


def _translated(
    rule: type[ASTValidationRule], error: GraphQLError, paths: dict[int, list[str | int]]
) -> dict[str, Any]:
    code = _CODES.get(rule.__name__, "invalidDocument")
    shaped = _shaped(error, paths)
    translate = _TRANSLATIONS.get(code)
    words = _QUOTED.findall(error.message)
    message, extensions = translate(error, words, shaped["path"]) if translate else (error.message, {})
    return {**shaped, "message": message, "extensions": {"code": code, **extensions}}


Translation = tuple[str, dict[str, Any]]


def _undefined_field(_error: GraphQLError, words: list[str], _path: Any) -> Translation:
    field, kind = words[0], words[1]
    return f"Field '{field}' doesn't exist on type '{kind}'", {"typeName": kind, "fieldName": field}


def _argument_not_accepted(_error: GraphQLError, words: list[str], path: Any) -> Translation:
    argument, field = words[0], path[-2] if len(path) > 1 else words[1]
    extensions = {"name": field, "typeName": "Field", "argumentName": argument}
    return f"Field '{field}' doesn't accept argument '{argument}'", extensions


def _missing_arguments(_error: GraphQLError, words: list[str], _path: Any) -> Translation:
    field, argument = words[0], words[1]
    extensions = {"className": "Field", "name": field, "arguments": argument}
    return f"Field '{field}' is missing required arguments: {argument}", extensions


def _variable_not_used(_error: GraphQLError, words: list[str], path: Any) -> Translation:
    name = words[0].removeprefix("$")
    owner = str(path[0]).partition(" ")[2] if path else "anonymous query"
    return f"Variable ${name} is declared by {owner} but not used", {"variableName": name}


def _literal_incompatible(error: GraphQLError, words: list[str], path: Any) -> Translation:
    required = re.match(r"Field '(\w+)\.(\w+)' of required type '([^']+)' was not provided", error.message)
    if required:
        kind, name, expected = required.groups()
        extensions = {
            "code": "missingRequiredInputObjectAttribute",
            "argumentName": name,
            "argumentType": expected,
            "inputObjectType": kind,
        }
        return f"Argument '{name}' on InputObject '{kind}' is required. Expected type {expected}", extensions
    unknown = re.match(r"Field '(\w+)' is not defined by type '(\w+)'", error.message)
    if unknown:
        name, kind = unknown.groups()
        extensions = {"code": "argumentNotAccepted", "name": kind, "typeName": "InputObject", "argumentName": name}
        return f"InputObject '{kind}' doesn't accept argument '{name}'", extensions
    argument, field = (path[-1], path[-2]) if len(path) > 1 else ("", "")
    node = error.nodes[0] if error.nodes else None
    value = print_ast(node) if node else ""
    found = re.search(r"type '([^']+)'|'([^']+)' cannot represent|in '([^']+)' enum", error.message)
    expected = next((group for group in found.groups() if group), "") if found else (words[0] if words else "")
    message = f"Argument '{argument}' on Field '{field}' has an invalid value ({value}). Expected type '{expected}'."
    return message, {"typeName": "Field", "argumentName": argument}


def _selection_mismatch(_error: GraphQLError, words: list[str], _path: Any) -> Translation:
    field, kind = words[0], words[1].strip("[]!")
    fix = f"Did you mean '{field} {{ ... }}'?"
    message = f"Field must have selections (field '{field}' returns {kind} but has no selections. {fix})"
    return message, {"nodeName": f"field '{field}'", "typeName": kind}


_TRANSLATIONS: dict[str, Callable[[GraphQLError, list[str], Any], Translation]] = {
    "undefinedField": _undefined_field,
    "argumentNotAccepted": _argument_not_accepted,
    "missingRequiredArguments": _missing_arguments,
    "variableNotUsed": _variable_not_used,
    "argumentLiteralsIncompatible": _literal_incompatible,
    "selectionMismatch": _selection_mismatch,
}


# --- where in the document


def _paths(document: DocumentNode) -> dict[int, list[str | int]]:
    """The path of every node as Shopify writes it: ``["mutation Name", "fileUpdate", "files", 0, "id"]``."""
    found: dict[int, list[str | int]] = {}
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            name = f" {definition.name.value}" if definition.name else ""
            _note(definition, [f"{definition.operation.value}{name}"], found)
        elif isinstance(definition, FragmentDefinitionNode):
            _note(definition, [f"fragment {definition.name.value}"], found)
    return found


def _note(node: Node, path: list[str | int], found: dict[int, list[str | int]]) -> None:
    found[id(node)] = path
    for child, step in _children(node):
        _note(child, [*path, *step], found)


def _children(node: Node) -> Iterator[tuple[Node, list[str | int]]]:
    for key in node.keys:
        value = getattr(node, key, None)
        children = value if isinstance(value, tuple | list) else [value]
        for index, child in enumerate(children):
            if isinstance(child, Node):
                yield child, _step(node, child, index)


def _step(parent: Node, child: Node, index: int) -> list[str | int]:
    if isinstance(child, FieldNode):
        return [child.alias.value if child.alias else child.name.value]
    if isinstance(child, ArgumentNode | ObjectFieldNode):
        return [child.name.value]
    if isinstance(child, InlineFragmentNode):
        # None where there is no condition, whatever graphql-core's annotation says.
        condition: NamedTypeNode | None = child.type_condition
        return [f"... on {condition.name.value}" if condition else "..."]
    return [index] if isinstance(parent, ListValueNode) else []


# --- literals graphql-core does not check


class _Literals(Visitor):
    """Finds ids that are no global ids, and @oneOf objects with other than one field."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self.types = types
        self.errors: list[GraphQLError] = []

    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        kind = get_named_type(self.types.get_input_type())
        if kind is not None and kind.name == "ID" and not is_gid(node.value):
            extensions = {"code": "argumentLiteralsIncompatible", "typeName": "CoercionError"}
            self.errors.append(GraphQLError(f"Invalid global id '{node.value}'", [node], extensions=extensions))

    def enter_object_value(self, node: ObjectValueNode, *_: Any) -> None:
        kind = get_named_type(self.types.get_input_type())
        if kind is not None and is_one_of(kind) and len(node.fields) != 1:
            text = f"`{kind.name}` is a OneOf type, so only one argument may be given (instead of {len(node.fields)})"
            extensions = {"code": "invalidOneOfInputObject", "inputObjectType": kind.name}
            self.errors.append(GraphQLError(text, [node], extensions=extensions))


def _literal_errors(document: DocumentNode) -> list[GraphQLError]:
    types = TypeInfo(schema())
    literals = _Literals(types)
    visit(document, TypeInfoVisitor(types, literals))
    return literals.errors


__all__ = ["Prepared", "SelectionSetNode", "prepare"]
