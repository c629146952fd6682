/**
 * How much a run of the tests tries. `npm test` leaves out the files `*.full.test.ts` and takes samples of long series; `npm run test:full` runs
 * everything. CI runs all files with the samples of `npm test` (`OXBOW_TEST_SERIES=short`).
 */

export const isShortSeries: boolean = process.env['OXBOW_TEST_SERIES'] === 'short'
export const isFull: boolean = process.env['OXBOW_TEST_SCALE'] === 'full' && !isShortSeries

/** @param inFull in `npm run test:full` @param sample in `npm test` and CI, an eighth unless given */
export function scaled(inFull: number, sample: number = Math.max(1, Math.ceil(inFull / 8))): number {
  return isFull ? inFull : sample
}

export const isLongSeries: boolean = process.env['OXBOW_TEST_SERIES'] === 'long'

/** A series that takes hours: all of it with `OXBOW_TEST_SERIES=long`, a tenth in the full tests, a fortieth in CI. */
export function longSeries(all: number): number {
  if (isLongSeries) return all
  return Math.ceil(all / (isShortSeries ? 40 : 10))
}

/**
 * What random cases begin with: where `CI` is set always the same, so that what fails there fails because of the change, and another elsewhere.
 * `OXBOW_SEED=N` repeats a run.
 */
export const seed: number = givenSeed(process.env) ?? (process.env['CI'] === undefined ? Date.now() % 2 ** 31 : 20_261_121)

/** @returns the seed of `OXBOW_SEED`; null where none is set @throws for what is no whole number: NaN would draw cases that nothing repeats */
export function givenSeed({ OXBOW_SEED: text }: NodeJS.ProcessEnv): number | null {
  if (text === undefined) return null
  const given = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isInteger(given) && given >= 0 && given < 2 ** 31) return given
  throw new Error(`OXBOW_SEED=${text} is no seed. Give a whole number from 0 to ${2 ** 31 - 1}, such as the one that a failed test prints.`)
}
