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
  /** Not waited for: the same is asked again later, and a server may answer it meanwhile. */
  readonly ahead?: true
}

export type Asking<Result> = Generator<Ask, Result, readonly unknown[]>

/** Asks, and says what the rows are. */
export function* ask<Row>(asked: Ask): Generator<Ask, readonly Row[], readonly unknown[]> {
  return (yield asked) as readonly Row[]
}

/** Says what is going to be asked. */
export function* askAhead(asked: Ask): Asking<void> {
  yield { ...asked, ahead: true }
}

/** What is asked ahead has its answer when it is asked: at once. */
export function answerNow<Result>(asking: Asking<Result>, answer: (asked: Ask) => readonly unknown[]): Result {
  for (let step = asking.next(); ;) {
    if (step.done === true) return step.value
    step = asking.next(step.value.ahead === true ? [] : answer(step.value))
  }
}

/** @param ahead is told what will be asked, and does not throw */
export async function answerLater<Result>(
  asking: Asking<Result>,
  answer: (asked: Ask) => Promise<readonly unknown[]>,
  ahead: (asked: Ask) => void,
): Promise<Result> {
  for (let step = asking.next(); ;) {
    if (step.done === true) return step.value
    if (step.value.ahead === true) {
      ahead(step.value)
      step = asking.next([])
    } else {
      step = asking.next(await answer(step.value))
    }
  }
}
