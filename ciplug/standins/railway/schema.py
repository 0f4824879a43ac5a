"""The part of Railway's schema that the stand-in plays, in the schema language, and its types to look things up in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.frozen import frozen
from ciplug.standins.railway.tokens import Tokens, Type, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

SDL: Final = """
type Query {
  deployments(after: String, first: Int, input: DeploymentListInput!): QueryDeploymentsConnection!
  environment(id: String!, projectId: String): Environment!
  projectToken: ProjectToken!
  variables(
    environmentId: String!, projectId: String!, serviceId: String, unrendered: Boolean
  ): EnvironmentVariables!
}
type Mutation {
  serviceInstanceRedeploy(environmentId: String!, serviceId: String!): Boolean!
  variableCollectionUpsert(input: VariableCollectionUpsertInput!): Boolean!
  variableDelete(input: VariableDeleteInput!): Boolean!
  variableUpsert(input: VariableUpsertInput!): Boolean!
}
type ProjectToken { environmentId: String! id: ID! name: String! projectId: String! }
type Environment {
  id: ID!
  name: String!
  projectId: String!
  variables(after: String, first: Int): EnvironmentVariablesConnection!
}
type EnvironmentVariablesConnection { edges: [EnvironmentVariablesConnectionEdge!]! pageInfo: PageInfo! }
type EnvironmentVariablesConnectionEdge { cursor: String! node: Variable! }
type Variable {
  createdAt: DateTime!
  environmentId: String
  id: ID!
  isSealed: Boolean!
  name: String!
  references: [String!]!
  serviceId: String
  updatedAt: DateTime!
}
type QueryDeploymentsConnection { edges: [QueryDeploymentsConnectionEdge!]! pageInfo: PageInfo! }
type QueryDeploymentsConnectionEdge { cursor: String! node: Deployment! }
type Deployment {
  createdAt: DateTime!
  environmentId: String!
  id: ID!
  projectId: String!
  serviceId: String
  staticUrl: String
  status: DeploymentStatus!
  url: String
}
type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }
input DeploymentListInput { environmentId: String includeDeleted: Boolean projectId: String serviceId: String }
input VariableCollectionUpsertInput {
  environmentId: String!
  projectId: String!
  replace: Boolean = false
  serviceId: String
  skipDeploys: Boolean = false
  variables: EnvironmentVariables!
}
input VariableDeleteInput { environmentId: String! name: String! projectId: String! serviceId: String }
input VariableUpsertInput {
  environmentId: String!
  name: String!
  projectId: String!
  serviceId: String
  skipDeploys: Boolean = false
  value: String!
}
"""


@frozen
class Parameter:
    """An argument of a field, or a field of an input type."""

    type: Type
    default: Value = None
    has_default: bool = False


@frozen
class Member:
    """A field of an object type."""

    type: Type
    arguments: Mapping[str, Parameter]


@frozen
class Schema:
    """`objects` can be asked for and `inputs` given, each by its type's name and then its field's."""

    objects: Mapping[str, Mapping[str, Member]]
    inputs: Mapping[str, Mapping[str, Parameter]]


def read(sdl: str) -> Schema:
    """The types that `sdl` defines."""
    tokens = Tokens(sdl)
    objects: dict[str, Mapping[str, Member]] = {}
    inputs: dict[str, Mapping[str, Parameter]] = {}
    while not tokens.at_end():
        if tokens.take("input"):
            name = tokens.name()
            tokens.expect("{")
            inputs[name] = _parameters(tokens, "}")
        else:
            tokens.expect("type")
            name = tokens.name()
            objects[name] = _members(tokens)
    return Schema(objects=objects, inputs=inputs)


def _members(tokens: Tokens) -> dict[str, Member]:
    tokens.expect("{")
    found: dict[str, Member] = {}
    while not tokens.take("}"):
        name = tokens.name()
        arguments = _parameters(tokens, ")") if tokens.take("(") else {}
        tokens.expect(":")
        found[name] = Member(type=tokens.type(), arguments=arguments)
    return found


def _parameters(tokens: Tokens, end: str) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    while not tokens.take(end):
        name = tokens.name()
        tokens.expect(":")
        kind = tokens.type()
        has_default = tokens.take("=")
        default = tokens.value(constant=True) if has_default else None
        found[name] = Parameter(type=kind, default=default, has_default=has_default)
    return found


RAILWAY: Final = read(SDL)
