/** Reads what the machine says: marks of its own, and between them the Test Anything Protocol of Node's test runner. */
import { beginMark, downMark, endMark } from './guest-scripts.ts'

export interface SituationReport {
  readonly name: string
  readonly exitCode: number
  /** Since the start of the machine, by its own clock. */
  readonly seconds: number
  /** Names of tests, without suites. */
  readonly passed: readonly string[]
  readonly failed: readonly string[]
  /** With their reasons. */
  readonly skipped: readonly string[]
  /** All that was said. */
  readonly text: string
}

/** @throws Error when the machine stops in the middle. */
export async function* readReports(lines: AsyncIterable<string>): AsyncGenerator<SituationReport, void> {
  let name: string | null = null
  let said: string[] = []
  let isDown = false
  for await (const line of lines) {
    const [mark, ...rest] = line.trim().split(' ')
    if (mark === beginMark) {
      name = rest.join(' ')
      said = []
    } else if (mark === endMark && name !== null) {
      yield { name, exitCode: Number(rest[0]), seconds: Number(rest[1]), ...resultsOf(said) }
      name = null
    } else if (mark === downMark) isDown = true
    else said.push(line)
  }
  if (!isDown) throw new Error(`The machine stopped in ${name ?? 'no situation'}:\n${said.slice(-40).join('\n')}`)
}

/** Shows what has passed while it goes on, and of what has failed all. @returns names of situations, and whether all went well */
export async function tellReports(lines: AsyncIterable<string>): Promise<{ readonly seen: readonly string[]; readonly isWell: boolean }> {
  const seen: string[] = []
  let isWell = true
  for await (const { name, exitCode, passed, failed, skipped, seconds, text } of readReports(shown(lines))) {
    seen.push(name)
    const counts = `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`
    process.stdout.write(`${name}: exit code ${exitCode}, ${counts}, at ${seconds} s\n`)
    if (exitCode !== 0) process.stdout.write(`${text}\n`)
    isWell &&= exitCode === 0 && passed.length > 0
  }
  return { seen, isWell: isWell && seen.length > 0 }
}

async function* shown(lines: AsyncIterable<string>): AsyncGenerator<string, void> {
  for await (const line of lines) {
    if (/^\s*(?:not )?ok |^@/.test(line)) process.stdout.write(`${line}\n`)
    yield line
  }
}

function resultsOf(said: readonly string[]): Pick<SituationReport, 'passed' | 'failed' | 'skipped' | 'text'> {
  const found = { passed: [] as string[], failed: [] as string[], skipped: [] as string[] }
  for (const [at, line] of said.entries()) {
    const [, verdict, rest] = /^ *(ok|not ok) \d+ - (.*)$/.exec(line) ?? []
    // What follows says whether it is a test or a suite.
    if (rest === undefined || said.slice(at, at + 4).some((each) => /^ *type: 'suite'/.test(each))) continue
    if (/ # SKIP\b/.test(rest)) found.skipped.push(rest)
    else found[verdict === 'ok' ? 'passed' : 'failed'].push(rest)
  }
  return { ...found, text: said.join('\n') }
}
