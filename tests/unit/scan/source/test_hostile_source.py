"""Source that would make a careless resolver work for ever, or recurse without end."""

from __future__ import annotations

import pytest

from tests.support.projects import project

_MANY = 3_000
_LAST = 60
SOURCES = {
    "classes": "class C0: pass\n" + "".join(f"class C{n + 1}(C{n}): pass\n" for n in range(_MANY)) + "x = C3000().y\n",
    "names": "".join(f"a{n} = a{n + 1}\n" for n in range(_MANY)) + "x = a0\n",
    "lists": "a0 = [1]\n" + "".join(f"a{n + 1} = a{n} + a{n}\n" for n in range(_LAST)) + f"x = a{_LAST}\n",
    "texts": 'a = "x"\n' + 'a = f"{a}{a}"\n' * _LAST + "x = a\n",
    "returns": "".join(f"def f{n}(): return f{n + 1}()\n" for n in range(_MANY)) + "x = f0()\n",
    "mutual": "class A(B): pass\nclass B(A): pass\ndef f(): return g()\ndef g(): return f()\nx = [f(), A().y]\n",
    "numbers": 'x = "a" * 10**9 + "b" * 10**12\n',
}


@pytest.mark.parametrize("text", SOURCES.values(), ids=SOURCES.keys())
def test_every_question_about_it_is_answered(text: str) -> None:
    made = project(main=text)
    (main,) = made.modules
    (binding, *_) = main.scope.bindings["x"]
    assert binding.value is not None
    made.resolver.resolve(binding.value, main.scope)
    made.resolver.items(binding.value, main.scope)
    made.resolver.text(binding.value, main.scope)
    made.resolver.literal(binding.value, main.scope)
    assert all(len(made.resolver.bases(cls)) <= 200 for cls in main.classes)
