/**
 * `oxbow program test`: the cases in `tests/NAME.toml` of a program. Its script runs as it would, and what it calls is answered by the case
 * instead of the gate; nothing outside is read or changed. A call is refused as the gate would refuse it for its manifest, its input has to fit
 * the call, and the case compares what was called, in order, and what came of it.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import {
  type CallId,
  isObject,
  type Json,
  type JsonObject,
  errorMessage,
  isErrorCode,
  ownValue,
  problemLines,
  type SchemaChecker,
  type TurnId,
} from '../../../base/index.ts'
import { type Call, type CallOutcome, jsonObjectSchema } from '../../../protocol/index.ts'
import { maxManifestNesting, maxTestSteps } from '../limits.ts'
import type { ProgramPackage } from '../program-package.ts'
import { refusalOf } from '../program-rights.ts'
import { runProgramCode } from '../program-code.ts'

const stepSchema = z.strictObject({
  name: z.string().min(1).max(100),
  /** Fields that its input must have; others do not matter. */
  input: jsonObjectSchema().default({}),
  text: z.string().default(''),
  output: z.json().default(null),
  /** False: it worked, and reports a failure, such as a command that exits with 1. */
  ok: z.boolean().default(true),
  /** Code of the error that it fails with. */
  fails: z.string().refine(isErrorCode, 'must be the code of an error').optional(),
})

/** One case of the tests of a program. */
export const caseSchema = z.strictObject({
  input: jsonObjectSchema().default({}),
  /** Absent: any that fits [result]. */
  result: z.json().optional(),
  /** Code of the error that the run ends with. */
  failure: z.string().max(100).optional(),
  call: z.array(stepSchema).max(maxTestSteps).default([]),
})

type TestCase = z.infer<typeof caseSchema>
type Step = TestCase['call'][number]

export const testResult = z.strictObject({
  name: z.string(),
  ok: z.boolean(),
  problem: z.string().describe('Why it failed; empty: it did not.'),
})
export type TestResult = z.infer<typeof testResult>

export interface TestDeps {
  readonly schemas: Pick<SchemaChecker, 'validate'>
  readonly find: (name: string) => Call | undefined
}

/** @param tests by file name @returns the result of each, in the order of their names */
export async function runTests(
  deps: TestDeps,
  program: ProgramPackage,
  tests: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly TestResult[]> {
  const results: TestResult[] = []
  for (const file of Object.keys(tests).toSorted()) {
    const name = file.replace(/^tests\//, '').replace(/\.toml$/, '')
    const problem = await problemOf(deps, program, ownValue(tests, file)!, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      return errorMessage(error)
    })
    results.push({ name, ok: problem === '', problem })
  }
  return results
}

async function problemOf(deps: TestDeps, program: ProgramPackage, toml: string, signal: AbortSignal): Promise<string> {
  const { parse } = await import('smol-toml')
  const table: unknown = JSON.parse(JSON.stringify(parse(toml, { maxDepth: maxManifestNesting })))
  const read = caseSchema.safeParse(table)
  if (!read.success)
    return `the case cannot be used: ${read.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim()).join('; ')}`
  const wanted = read.data
  const { failure, value, problems } = await runCase(deps, program, wanted, signal)
  // What was called otherwise explains best what came of it.
  if (problems.length > 0) return problems.join('; ')
  if (failure !== wanted.failure?.trim() && (failure !== '' || wanted.failure !== undefined))
    return wanted.failure === undefined
      ? `it failed: ${failure} ${JSON.stringify(value)}`
      : `it was to fail with ${wanted.failure}, and ${failure === '' ? 'did not' : `failed with ${failure}`}`
  if (wanted.failure !== undefined || wanted.result === undefined) return ''
  if (isDeepStrictEqual(value, wanted.result)) return ''
  return `it returned ${JSON.stringify(value)}, and not ${JSON.stringify(wanted.result)}`
}

interface CaseEnd {
  /** Code; empty: it returned. */
  readonly failure: string
  readonly value: Json
  readonly problems: readonly string[]
}

async function runCase(deps: TestDeps, program: ProgramPackage, wanted: TestCase, signal: AbortSignal): Promise<CaseEnd> {
  const { manifest } = program
  const unfit = async (schema: JsonObject | undefined, value: Json): Promise<string> =>
    schema === undefined ? '' : problemLines(await deps.schemas.validate(schema, value))
  const badInput = await unfit(manifest.input, wanted.input)
  if (badInput !== '') return { failure: 'bad_input', value: badInput, problems: [] }
  if (program.script === null && program.module === null) {
    // An agent follows SKILL.md, which no case can script: what goes in and comes out is compared with its schemas.
    const misfit = wanted.result === undefined ? '' : await unfit(manifest.result, wanted.result)
    return {
      failure: wanted.failure ?? '',
      value: wanted.result ?? null,
      problems: misfit === '' ? [] : [`result does not fit [result]: ${misfit}`],
    }
  }
  const problems: string[] = []
  let at = 0
  let clock = 1_700_000_000_000
  const make = async (_: CallId, name: string, input: Json): Promise<CallOutcome> => {
    const step = wanted.call[at]
    if (step?.name !== name) {
      const free = freeAnswer(name, input, (ms) => (clock = Math.max(clock, ms)), clock)
      if (free !== null) return free
    }
    const call = deps.find(name)
    const refusal = refusalOf(manifest, call ?? { name }, input)
    if (refusal !== null) return failed(refusal.code, refusal.message, refusal.hint)
    at += 1
    const problem = stepProblem(at, step, name, input, call)
    if (problem !== '') {
      problems.push(problem)
      return failed('tool_failed', problem)
    }
    return step!.fails === undefined ? done(step!) : failed(step!.fails, step!.text || `It fails with ${step!.fails}, as the test says.`)
  }
  const run = '00000000-0000-8000-8000-000000000000' as TurnId
  const outcome = await runProgramCode({
    run,
    program,
    input: wanted.input,
    past: new Map(),
    hide: (value) => value,
    note: () => {},
    make,
    signal,
  })
    .then(({ value, failure }) => ({ value, failure: failure?.code ?? '', said: failure?.message ?? '' }))
    .catch((error: unknown) => {
      signal.throwIfAborted()
      const code: unknown = isObject(error) ? ownValue(error, 'code') : ''
      return { value: null, failure: typeof code === 'string' && code !== '' ? code : 'tool_failed', said: errorMessage(error) }
    })
  const left = wanted.call.slice(at).map(({ name }) => name)
  if (left.length > 0 && problems.length === 0)
    problems.push(
      `it did not make ${left.length === 1 ? 'the call' : 'the calls'} ${left.join(', ')}${outcome.said === '' ? '' : `: ${outcome.said}`}`,
    )
  if (outcome.failure !== '') return { failure: outcome.failure, value: outcome.said, problems }
  const misfit = await unfit(manifest.result, outcome.value)
  return misfit === ''
    ? { failure: '', value: outcome.value, problems }
    : { failure: 'tool_failed', value: `The result does not fit [result]: ${misfit}`, problems }
}

/** Why a call is not the one that the case expects; empty: it is. */
function stepProblem(place: number, step: Step | undefined, name: string, input: Json, call: Call | undefined): string {
  const shown = JSON.stringify(input)?.slice(0, 300)
  if (step === undefined) return `call ${place} is ${name} with ${shown}, and no call was expected`
  if (step.name !== name) return `call ${place} is ${name} with ${shown}, and ${step.name} was expected`
  const fit = call?.input.safeParse(input)
  if (fit?.success === false)
    return `call ${place}: ${name} does not take this input: ${fit.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim()).join('; ')}`
  const field = Object.keys(step.input).find(
    (each) => !isDeepStrictEqual(isObject(input) ? ownValue(input, each) : undefined, ownValue(step.input, each)),
  )
  return field === undefined
    ? ''
    : `call ${place}: ${name} has ${field} ${JSON.stringify(isObject(input) ? ownValue(input, field) : null)}, and not ${JSON.stringify(ownValue(step.input, field))}`
}

/** What needs no line in a case: time that passes as the script waits, and a chance that is always the same. */
function freeAnswer(name: string, input: Json, waitUntil: (ms: number) => void, now: number): CallOutcome | null {
  const answer = (output: { readonly [field: string]: number }): CallOutcome => done({ text: '', output: { ...output }, ok: true })
  if (name === 'program.now') return answer({ at: now })
  if (name === 'program.random') return answer({ value: 0.5 })
  if (name !== 'program.wait') return null
  const until = isObject(input) ? Number(ownValue(input, 'until')) : now
  waitUntil(until)
  return answer({ at: Math.max(now, until) })
}

const done = ({ ok, text, output }: Pick<Step, 'ok' | 'text' | 'output'>): CallOutcome => ({ status: 'ok', ok, text, output, labels: [] })

const failed = (code: string, message: string, hint = ''): CallOutcome =>
  ({ status: 'failed', failure: { code, message, hint }, text: message, labels: [] }) as unknown as CallOutcome
