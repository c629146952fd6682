/**
 * Runs the checks of a seed on a clean branch: a copy of what a generation has made, on which nobody works. All of it are calls that pass the
 * gate, by the rights of the goal. A check that takes too long, that differs from run to run, or that changes files has not passed, and says so.
 */
import {
  assertNever,
  type Json,
  jsonIn,
  type JsonObject,
  isOxbowError,
  matchesStars,
  OxbowError,
  type SchemaChecker,
  problemLines,
  truncate,
} from '../../base/index.ts'
import { expandRights } from '../../protocol/index.ts'
import { maxEvidenceCharacters, maxMatchedCharacters } from './limits.ts'
import type { GenerationView } from './goal-view.ts'
import type { Check, Criterion } from './seed.ts'
import { checkText } from '../../terminal/index.ts'

/** `passed` and `failed`: all its runs agree. `flaky`: they do not. `error`: it could not be run. */
export type CheckResult = GenerationView['checks'][number]

/** What came back from a call that succeeded. */
export interface Answered {
  readonly output: Json
  readonly text: string
}

export interface CheckPlace {
  /** Makes a call on the clean branch. @param part names it within the step @throws OxbowError as it failed */
  call(part: string, name: string, input: JsonObject): Promise<Answered>
  /** @returns paths that differ from what the generation made, since the last time it was asked */
  changed(part: string): Promise<readonly string[]>
  readonly schemas: Pick<SchemaChecker, 'validate'>
}

interface Ran {
  readonly passed: boolean
  readonly evidence: string
}

export async function runCheck(
  place: CheckPlace,
  at: number,
  { text, check }: Criterion & { readonly check: Check },
): Promise<CheckResult> {
  const base = { text, check: checkText(check) }
  try {
    const ran: Ran[] = []
    const times = check.kind === 'command' || check.kind === 'number' ? check.runs : 1
    for (let run = 0; run < times; run++) ran.push(await runOnce(place, `check ${at}.${run}`, check))
    const runs = check.kind === 'command' || check.kind === 'number'
    const wrote = runs ? await place.changed(`changed by ${at}`) : []
    const [first] = ran
    const isSame = ran.every(({ passed }) => passed === first!.passed)
    if (!isSame) {
      const passed = ran.filter((each) => each.passed).length
      const other = ran.find((each) => !each.passed)!
      return {
        ...base,
        status: 'flaky',
        evidence: clip(`${passed} of ${ran.length} runs passed: it depends on chance. ${other.evidence}`),
        wrote,
      }
    }
    return { ...base, status: first!.passed ? 'passed' : 'failed', evidence: clip(first!.evidence), wrote }
  } catch (error) {
    if (!isOxbowError(error) || error.code === 'cancelled') throw error
    const isMissing = error.code === 'not_found' && (check.kind === 'pattern' || check.kind === 'schema')
    return { ...base, status: isMissing ? 'failed' : 'error', evidence: clip(`${error.message} ${error.hint}`), wrote: [] }
  }
}

const clip = (text: string): string => truncate(text.trim(), maxEvidenceCharacters)

async function runOnce(place: CheckPlace, part: string, check: Check): Promise<Ran> {
  switch (check.kind) {
    case 'command': {
      const ran = await runCommand(place, part, check)
      const passed = !ran.timedOut && ran.exitCode === check.exit_code
      return { passed, evidence: `${ran.how}\n${ran.said}` }
    }
    case 'number': {
      const ran = await runCommand(place, part, check)
      const found = ran.timedOut ? null : await numberIn(ran.stdout, check.pattern)
      if (found === null) return { passed: false, evidence: `${ran.how}; it gave no number\n${ran.said}` }
      const passed = found >= (check.at_least ?? -Infinity) && found <= (check.at_most ?? Infinity)
      return { passed, evidence: `It gave ${found}.` }
    }
    case 'file':
      return checkFile(place, part, check)
    case 'pattern': {
      const passed = (await matches(check.pattern, await textOf(place, part, check.path))) === check.matches
      return { passed, evidence: passed ? '' : `${check.path} ${check.matches ? 'does not match' : 'matches'} the pattern.` }
    }
    case 'schema': {
      const value = jsonIn(await textOf(place, part, check.path))
      if (value === undefined) return { passed: false, evidence: `${check.path} is not JSON.` }
      const problems = await place.schemas.validate(check.schema, value)
      return { passed: problems.length === 0, evidence: problemLines(problems) }
    }
    case 'http': {
      const { status, text } = await fetched(place, part, check.url)
      const passed = status === check.status && text.includes(check.contains)
      return { passed, evidence: passed ? '' : `It answered ${status}${status === check.status ? ', without the text' : ''}.` }
    }
    default:
      return assertNever(check)
  }
}

interface Command {
  readonly exitCode: number | null
  readonly timedOut: boolean
  readonly stdout: string
  readonly how: string
  readonly said: string
}

async function runCommand(
  { call }: CheckPlace,
  part: string,
  { command, timeout_s }: { readonly command: string; readonly timeout_s: number },
): Promise<Command> {
  const { output } = await call(part, 'shell.exec', { command, timeout_s })
  const {
    exit_code: exitCode,
    timed_out: timedOut,
    stdout,
    stderr,
  } = output as {
    readonly exit_code: number | null
    readonly timed_out: boolean
    readonly stdout: string
    readonly stderr: string
  }
  const how = timedOut ? `It took longer than ${timeout_s} s` : `It exited with ${exitCode ?? 'a signal'}`
  // The end of an output says why.
  const said = [stdout, stderr].map((each) => each.trim().slice(-maxEvidenceCharacters / 2)).filter((each) => each !== '')
  return { exitCode, timedOut, stdout, how, said: said.join('\n') }
}

/** @returns the number that an output ends with, or that a pattern finds; null: no number */
export async function numberIn(text: string, pattern: string | undefined): Promise<number | null> {
  const kept = text.slice(-maxMatchedCharacters)
  if (pattern === undefined) {
    const last = kept.match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi)?.at(-1)
    return last === undefined ? null : Number(last)
  }
  const { RE2JS } = await import('re2js')
  const found = RE2JS.compile(pattern).matcher(kept)
  if (!found.find()) return null
  const said = Number(found.groupCount() > 0 ? found.group(1) : found.group())
  return Number.isFinite(said) ? said : null
}

/** In time linear in the text, whatever the pattern. */
async function matches(pattern: string, text: string): Promise<boolean> {
  const { RE2JS } = await import('re2js')
  return RE2JS.compile(pattern).matcher(text.slice(0, maxMatchedCharacters)).find()
}

async function checkFile(place: CheckPlace, part: string, { path, exists, contains }: Extract<Check, { kind: 'file' }>): Promise<Ran> {
  try {
    const text = await textOf(place, part, path)
    if (!exists) return { passed: false, evidence: `${path} exists.` }
    const passed = text.includes(contains)
    return { passed, evidence: passed ? '' : `${path} does not contain it.` }
  } catch (error) {
    if (isOxbowError(error, 'not_text') && contains === '') return { passed: exists, evidence: `${path} exists.` }
    if (!isOxbowError(error, 'not_found')) throw error
    return { passed: !exists, evidence: `${path} does not exist.` }
  }
}

/** Reads a file page by page, as far as patterns are matched. @throws OxbowError `not_found`, `not_text` */
async function textOf({ call }: CheckPlace, part: string, path: string): Promise<string> {
  let whole = ''
  for (let from = 1, page = 0; whole.length < maxMatchedCharacters; page++) {
    const { output } = await call(`${part} page ${page}`, 'file.read', { path, from_line: from, max_lines: 1_000 })
    const { text, lines, total_lines: total } = output as { readonly text: string; readonly lines: number; readonly total_lines: number }
    whole += `${text}${from + lines <= total ? '\n' : ''}`
    from += lines
    if (lines === 0 || from > total) break
  }
  return whole
}

/** As it was sent: a check may look for markup. */
async function fetched({ call }: CheckPlace, part: string, url: string): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const { output } = await call(part, 'web.fetch', { url, format: 'raw' })
    return output as { readonly status: number; readonly text: string }
  } catch (cause) {
    if (!isOxbowError(cause, 'denied')) throw cause
    throw new OxbowError('denied', cause.message, {
      hint: `For checks to reach it, name ${JSON.stringify(new URL(url).host)} in allow under [egress] in config.toml, and start the goal again.`,
      cause,
    })
  }
}

/**
 * What checks of a person's goal may fetch although its agents may not: the hosts that the person has named.
 * @param allow `egress.allow` @returns rights as they are where they say themselves what may be fetched
 */
export function withNamedHosts(rights: readonly string[], allow: readonly string[]): readonly string[] {
  const saysIt = (entry: string): boolean => entry === '*' || /^!?web\.read(?::|$)/.test(entry)
  return expandRights(rights).some(saysIt) ? rights : [...rights, ...allow.map((host) => `web.read:${host.replace(/:\d+$/, '')}`)]
}

/** @returns changed files that are tests of the seed, or in a folder of them */
export function editedTests(tests: readonly string[], changed: readonly string[]): readonly string[] {
  const named = tests.map((each) => placeOf(each).replace(/\/+$/, ''))
  return changed.filter((path) => named.some((test) => matchesPath(test, placeOf(path))))
}

const placeOf = (path: string): string => (path.startsWith('/') ? path : `/shared/${path.replace(/^\.\//, '')}`)

/** `*` stands for a part of a name, `**` for folders. Without backtracking over the whole: each part is matched by itself. */
function matchesPath(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const there = path.split('/')
  // What is in a folder that is named counts, too.
  const fits = (at: number, from: number): boolean => {
    if (at === wanted.length) return true
    if (wanted[at] === '**') return there.slice(from).some((_, i) => fits(at + 1, from + i)) || at + 1 === wanted.length
    return from < there.length && matchesStars(wanted[at]!, there[from]!) && fits(at + 1, from + 1)
  }
  return fits(0, 0)
}
