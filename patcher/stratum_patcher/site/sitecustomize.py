"""Site hook for interpreters that do not read the path file; gives way to the program's own `sitecustomize`."""

import os
import sys


def _start() -> None:
    if not (os.environ.get("STRATUM_EVENTS_FILE") or "STRATUM_PATCHER" in os.environ):
        return
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(here))
    added = False
    try:
        import stratum_patcher._start as start
    except ImportError:
        sys.path.append(root)
        added = True
        try:
            import stratum_patcher._start as start
        except ImportError as error:
            sys.stderr.write("stratum_patcher is not loaded: %s\n" % error)
            return
        finally:
            if added:
                sys.path.remove(root)
    start.start()


def _give_way() -> None:
    """Run the next `sitecustomize` on the path, under its own name, as if this one were not there."""
    import _frozen_importlib as bootstrap
    import _frozen_importlib_external as external

    here = os.path.dirname(os.path.abspath(__file__))
    rest = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    spec = external.PathFinder.find_spec("sitecustomize", rest)
    if spec is None or spec.loader is None:
        return
    module = bootstrap.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_start()
_give_way()
