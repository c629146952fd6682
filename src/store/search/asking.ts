/**
 * Reads are written once for all databases: as generators that say what they want to know and are handed the rows. SQLite
 * answers at once, Postgres when it has the answer.
 */

export interface Ask {
  /** With `:name` for values; every database we use understands it. */
  readonly text: string
  readonly args: object
  /** Rows as arrays of their columns: for many small ones. */
  readonly arrays?: true
  /** Asked in this form once; nobody keeps it prepared. */
  readonly once?: true
}

export type Asking<Result> = Generator<Ask, Result, readonly unknown[]>

/** Asks, and says what the rows are. */
export function* ask<Row>(asked: Ask): Generator<Ask, readonly Row[], readonly unknown[]> {
  return (yield asked) as readonly Row[]
}

export function answerNow<Result>(asking: Asking<Result>, answer: (asked: Ask) => readonly unknown[]): Result {
  for (let step = asking.next(); ;) {
    if (step.done === true) return step.value
    step = asking.next(answer(step.value))
  }
}

export async function answerLater<Result>(asking: Asking<Result>, answer: (asked: Ask) => Promise<readonly unknown[]>): Promise<Result> {
  for (let step = asking.next(); ;) {
    if (step.done === true) return step.value
    step = asking.next(await answer(step.value))
  }
}
