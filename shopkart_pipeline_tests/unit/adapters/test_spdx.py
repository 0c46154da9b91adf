"""Licences by their SPDX names: what is recognised, and what an expression asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters._spdx import conditions, permissive_first, recognised, recognised_classifier

LICENCES = ["MIT", "Apache-2.0", "BSD-3-Clause", "GPL-3.0-only", "AGPL-3.0-only", "LGPL-2.1-or-later"]
EXPRESSIONS = st.recursive(
    st.sampled_from(LICENCES),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("MIT License", "MIT"),
        ("The MIT License (MIT)", "MIT"),
        ("apache-2.0 or mit", "Apache-2.0 OR MIT"),
        ("(MIT OR CC0-1.0)", "(MIT OR CC0-1.0)"),
        ("Apache 2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Apache License Version 2.0", "Apache-2.0"),
        ("Apache Software License", "Apache-2.0"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        ("BSD 2-Clause License", "BSD-2-Clause"),
        ("BSD", "LicenseRef-BSD"),
        ("PSFL", "PSF-2.0"),
        ("The Unlicense", "Unlicense"),
        ("Public Domain", "LicenseRef-Public-Domain"),
        ("GPL", "GPL-1.0-or-later"),
        ("GPLv3", "GPL-3.0-only"),
        ("GPLv3+", "GPL-3.0-or-later"),
        ("GPL-3.0", "GPL-3.0"),
        ("GNU GPL v2 or later", "GPL-2.0-or-later"),
        ("GNU General Public License v3", "GPL-3.0-only"),
        ("LGPLv3", "LGPL-3.0-only"),
        ("LGPL 2.1+", "LGPL-2.1-or-later"),
        ("GNU Lesser General Public License v3 or later", "LGPL-3.0-or-later"),
        ("GNU Affero General Public License v3", "AGPL-3.0-only"),
        ("AGPL", "AGPL-1.0-or-later"),
        ("", None),
        ("UNKNOWN", None),
        ("UNLICENSED", None),
        ("Dual License", None),
        ("SEE LICENSE IN LICENSE.md", None),
        ("MIT License\n\nPermission is hereby granted", None),
        ("MIT " * 100, None),
        ("(" * 299, None),
        ("MIT; Commons Clause", None),
        ("MIT with Commons Clause", None),
        ("Proprietary (MIT)", "LicenseRef-Proprietary"),
        ("(see below)", None),
    ],
)
def test_what_packages_call_their_licence_is_recognised_or_not(text: str, expression: str | None) -> None:
    assert recognised(text) == expression


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("License :: OSI Approved :: MIT License", "MIT"),
        ("License :: OSI Approved :: Apache Software License", "Apache-2.0"),
        ("License :: OSI Approved :: BSD License", "LicenseRef-BSD"),
        ("License :: OSI Approved :: ISC License (ISCL)", "ISC"),
        ("License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
        ("License :: OSI Approved :: MIT No Attribution License (MIT-0)", "MIT-0"),
        ("License :: OSI Approved :: Boost Software License 1.0 (BSL-1.0)", "BSL-1.0"),
        ("License :: OSI Approved :: Eclipse Public License 2.0 (EPL-2.0)", "EPL-2.0"),
        ("License :: OSI Approved :: European Union Public Licence 1.2 (EUPL 1.2)", "EUPL-1.2"),
        ("License :: OSI Approved :: Python Software Foundation License", "PSF-2.0"),
        ("License :: OSI Approved :: The Unlicense (Unlicense)", "Unlicense"),
        ("License :: OSI Approved :: zlib/libpng License", "Zlib"),
        ("License :: OSI Approved :: GNU General Public License (GPL)", "GPL-1.0-or-later"),
        ("License :: OSI Approved :: GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", "LGPL-3.0-only"),
        ("License :: OSI Approved :: GNU Library or Lesser General Public License (LGPL)", "LGPL-2.0-or-later"),
        ("License :: OSI Approved :: GNU Affero General Public License v3 or later (AGPLv3+)", "AGPL-3.0-or-later"),
        ("License :: Other/Proprietary License", "LicenseRef-Proprietary"),
        ("License :: Public Domain", "LicenseRef-Public-Domain"),
        ("License :: Free For Home Use", None),
    ],
)
def test_classifiers_are_recognised_or_not(text: str, name: str | None) -> None:
    assert recognised_classifier(text) == name


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ("MIT", ["MIT"]),
        ("MIT AND Apache-2.0", ["MIT", "Apache-2.0"]),
        ("GPL-2.0-only OR MIT", ["MIT OR GPL-2.0-only"]),
        ("AGPL-3.0-only OR GPL-3.0-only OR LGPL-3.0-only", ["LGPL-3.0-only OR GPL-3.0-only OR AGPL-3.0-only"]),
        ("LicenseRef-Ours OR GPL-3.0-only", ["GPL-3.0-only OR LicenseRef-Ours"]),
        ("MIT OR Apache-2.0 AND GPL-3.0-only", ["Apache-2.0 OR MIT", "MIT OR GPL-3.0-only"]),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", ["Apache-2.0 OR MIT", "GPL-3.0-only"]),
        (
            "GPL-2.0-only WITH Classpath-exception-2.0 OR MIT",
            ["MIT OR GPL-2.0-only WITH Classpath-exception-2.0"],
        ),
        ("((MIT))", ["MIT"]),
        ("MIT AND MIT", ["MIT"]),
    ],
)
def test_an_expression_comes_to_conditions_with_alternatives(expression: str, asked: list[str]) -> None:
    assert [" OR ".join(permissive_first(condition)) for condition in conditions(expression)] == asked


@pytest.mark.parametrize(
    "expression",
    ["", "MIT AND", "Nobody-1.0", "MIT " * 100, " OR ".join(f"(MIT AND LicenseRef-{n})" for n in range(8))],
)
def test_what_is_no_expression_or_too_long_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        conditions(expression)


def allowed(expression: str, denied: set[str]) -> bool:
    """What an expression means, evaluated as Python does."""
    names = {name: f"x{number}" for number, name in enumerate(LICENCES)}
    text = expression.replace(" AND ", " and ").replace(" OR ", " or ")
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    return bool(eval(text, {variable: name not in denied for name, variable in names.items()}))


@given(EXPRESSIONS, st.sets(st.sampled_from(LICENCES)))
def test_the_conditions_can_be_met_exactly_if_the_expression_can(expression: str, denied: set[str]) -> None:
    met = all(any(name not in denied for name in condition) for condition in conditions(expression))

    assert met is allowed(expression, denied)


@given(EXPRESSIONS)
def test_what_only_copyleft_meets_begins_with_it(expression: str) -> None:
    """So a gate that denies by the beginning of a name judges as if it had chosen the best alternative."""
    copyleft = {"GPL-3.0-only", "AGPL-3.0-only"}
    rules = [" OR ".join(permissive_first(condition)) for condition in conditions(expression)]

    assert any(rule.startswith(("GPL-", "AGPL-")) for rule in rules) is not allowed(expression, copyleft)
