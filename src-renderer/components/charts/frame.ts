const due = new Set<() => void>();
let asked = false;

/** All drawings that were asked for happen in one animation frame, each once. @returns what asks for `work`. */
export function onNextFrame(work: () => void): () => void {
  return () => {
    due.add(work);
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      const works = [...due];
      due.clear();
      works.forEach((draw) => draw());
    });
  };
}
