/** What is loaded or made with the first that needs it. */

/** Made on first use, once for all who ask; a failure is told to those who wait for it, and the next one tries again. */
export interface Once<Value> {
  (): Promise<Value>
  /** What was made, without making it. */
  made(): Promise<Value> | null
}

export function once<Value>(make: () => Promise<Value>): Once<Value> {
  let made: Promise<Value> | null = null
  const ask = (): Promise<Value> => {
    if (made !== null) return made
    const making = make()
    made = making
    making.catch(() => {
      if (made === making) made = null
    })
    return making
  }
  return Object.assign(ask, { made: () => made })
}
