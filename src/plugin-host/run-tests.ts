/** Runs the tests that plugins bring along, in the form that elizaOS has for them. */
import type { PluginTestResult } from '../protocol/index.ts'

export interface TestSuite<Runtime> {
  readonly name: string
  readonly tests: readonly { readonly name: string; fn(runtime: Runtime): unknown }[]
}

const maxProblemChars = 500
const maxTitleChars = 100
/** A test that has not ended by then has failed; the others run. */
const testMs = 30_000

/** One after the other: they share the runtime. A test fails by throwing. Never rejects. */
export async function runTests<Runtime>(suites: readonly TestSuite<Runtime>[], runtime: Runtime): Promise<readonly PluginTestResult[]> {
  const results: PluginTestResult[] = []
  for (const { name: suite, tests } of suites) {
    for (const { name, fn } of tests) {
      const problem = await problemOf(() => fn(runtime))
      results.push({ suite: titleOf(suite), name: titleOf(name), ok: problem === '', problem })
    }
  }
  return results
}

async function problemOf(run: () => unknown): Promise<string> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`It did not end within ${testMs / 1000} s.`)), testMs)
  try {
    await Promise.race([Promise.resolve().then(run), late.promise])
    return ''
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).slice(0, maxProblemChars) || 'It failed.'
  } finally {
    clearTimeout(timer)
  }
}

const titleOf = (name: unknown): string => (typeof name === 'string' ? name.slice(0, maxTitleChars) : '') || 'without a name'
