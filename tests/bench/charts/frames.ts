/** What the page measured of its charts. */
export interface Frames {
  /** Milliseconds between frames, and of script in each. */
  between: number[];
  script: number[];
  /** Milliseconds of tasks over 50 ms. */
  longTasks: number[];
  /** How often a second each chart was drawn. */
  drawings: number[];
}
