// Work that a person may stop, after which it says what it has, and that is abandoned for other work.

export function endable() {
  const [stopped, abandoned] = [new AbortController(), new AbortController()];
  return {
    stop: () => stopped.abort(),
    abandon: () => abandoned.abort(),
    stopped: () => stopped.signal.aborted,
    abandoned: () => abandoned.signal.aborted,
  };
}
