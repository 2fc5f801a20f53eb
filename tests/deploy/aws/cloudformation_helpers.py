"""Evaluates the functions of a CloudFormation template, for services of which moto drops properties."""

import re

import yaml
from test_aws_cloudformation import Loader

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
}
# The value of !Ref AWS::NoValue.
NOTHING = object()


def declared(path):
    """Returns a template with its functions in the long form."""
    return yaml.load(path.read_text(), Loader)


def resources(template, **parameters):
    """Returns the properties of each resource that the stack has. `!Ref` and `!GetAtt` of a resource become its name and
    attribute."""
    known = set(template["Parameters"])
    assert set(parameters) <= known, set(parameters) - known
    given = {name: each.get("Default") for name, each in template["Parameters"].items()} | parameters
    missing = {name for name, each in given.items() if each is None}
    assert not missing, missing

    def named(name):
        if name == "AWS::NoValue":
            return NOTHING
        return given.get(name, PSEUDO.get(name, name))

    def value(term):
        if isinstance(term, list):
            return [each for each in map(value, term) if each is not NOTHING]
        if not isinstance(term, dict):
            return term
        if len(term) == 1:
            ((function, of),) = term.items()
            if function == "Ref":
                return named(of)
            if function == "GetAtt":
                return of
            if function == "Sub":
                return re.sub(r"\$\{([\w:]+)\}", lambda match: str(named(match[1])), of)
            if function == "Split":
                return value(of[1]).split(of[0])
            if function == "If":
                return value(of[1] if holds(template["Conditions"][of[0]]) else of[2])
        found = {key: value(each) for key, each in term.items()}
        return {key: each for key, each in found.items() if each is not NOTHING}

    def holds(term):
        ((function, of),) = term.items()
        if function == "Not":
            return not holds(of[0])
        assert function == "Equals", function
        return value(of[0]) == value(of[1])

    return {
        name: value(each["Properties"])
        for name, each in template["Resources"].items()
        if "Condition" not in each or holds(template["Conditions"][each["Condition"]])
    }


def lower(term):
    """Returns the term with keys as in the API of ECS and in Terraform's `container_definitions`."""
    if isinstance(term, list):
        return [lower(each) for each in term]
    if isinstance(term, dict):
        return {key[0].lower() + key[1:]: lower(each) for key, each in term.items()}
    return term
