/** Milliseconds of a frame after which what can wait is left to the next one: half of what there is at 60 a second. */
const BUDGET = 8;

/** Drawings that are due, in the order in which they were asked for, and whether each must not wait. */
const due = new Map<() => void, () => boolean>();
let asked = false;

/**
 * Collects drawings and runs each once in the next animation frame. Drawings for which a frame has no time come first
 * in the next one, unless a drawing is urgent: then it is drawn in every frame.
 * @returns what asks for `work`
 */
export function onNextFrame(work: () => void, urgent: () => boolean): () => void {
  return () => {
    due.set(work, urgent);
    ask();
  };
}

function ask(): void {
  if (asked) return;
  asked = true;
  requestAnimationFrame(drawDue);
}

function drawDue(): void {
  asked = false;
  const began = performance.now();
  const works = [...due].sort(([, one], [, other]) => Number(other()) - Number(one()));
  for (const [work, urgent] of works) {
    if (performance.now() - began > BUDGET && !urgent()) break;
    due.delete(work);
    work();
  }
  if (due.size > 0) ask();
}
