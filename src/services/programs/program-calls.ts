/**
 * The calls about programs. A person sees and changes all runs; an agent, or a program, those that its own conversation has begun. What a
 * run returns carries the labels of what it has read.
 */
import { z } from 'zod'
import type { JsonObject } from '../../base/index.ts'
import { type Call, defineCall, evident, jsonObjectSchema } from '../../protocol/index.ts'
import { definitionName, maxProgramFileBytes } from '../../config/index.ts'
import { maxDescribedCalls, maxModuleChars, maxProgramWaitS } from './limits.ts'
import type { ProgramDesk } from './program-desk.ts'
import { rightLines } from './packages/rights-text.ts'
import { packageProblem, parsePackage, problemText } from './program-package.ts'
import { saysNo } from './program-record.ts'
import { programRunView, type ProgramRunView, programView, runInput } from './program-view.ts'

type Load = () => Promise<ProgramDesk>

const shared = {
  rare: true,
  audience: ['model', 'terminal'],
  right: 'agent.use',
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
} as const satisfies Partial<Call>
const byPerson = { ...shared, audience: ['terminal'] } as const satisfies Partial<Call>

const name = z.string().regex(definitionName, 'must be a plain name')
const runRef = z.string().min(1).max(100).meta(evident('Id of the run, or its beginning.'))
const exampleId = '0fd2b0d1-53a1-8c77-a1d0-6f0d2f3d8a11'
const recorded = ({ id, program, status }: ProgramRunView): JsonObject => ({ run: id, program, outcome: status })

export function programCalls(load: Load): readonly Call[] {
  return [
    listCall(load),
    infoCall(load),
    runCall(load),
    showCall(load),
    runsCall(load),
    cancelCall(load),
    verifyCall(load),
    callsCall(load),
    ...switchCalls(load),
  ]
}

function listCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'program.list',
    summary: 'Lists the programs of the person.',
    input: z.strictObject({}),
    output: z.strictObject({ programs: z.array(programView).readonly() }),
    example: {},
    tier: 'read_only',
    effect: 'none',
    recordOutput: ({ programs }) => ({ programs: programs.length }),
    async run() {
      const programs = await (await load()).list()
      const lines = programs.map(
        (each) => `${each.name} ${each.version}: ${each.problem || each.description}${each.enabled ? '' : ' (off)'}`,
      )
      return { output: { programs }, text: lines.join('\n') || 'There are no programs.' }
    },
  })
}

function infoCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'program.info',
    summary: 'Shows a program: what it does, its rights, what it takes and returns.',
    input: z.strictObject({ program: name }),
    output: programView.extend({
      may: z.array(z.string()).readonly().describe('Its rights, for people, one a line.'),
      toml: z.string().describe('Its program.toml.'),
      instructions: z.string().describe('Its SKILL.md.'),
      script: z.string().describe('Its main.js; empty: it has none.'),
    }),
    example: { program: 'tidy' },
    tier: 'read_only',
    effect: 'none',
    recordOutput: ({ version, hash }) => ({ version, hash }),
    async run({ program }) {
      const { view, definition } = await (await load()).info(program)
      const { toml, text: instructions, script = '' } = definition
      const { program: read } = await parsePackage(definition)
      const may = read === null ? [] : rightLines(read.manifest)
      return { output: { ...view, may, toml, instructions, script }, text: `${toml}\n\n${instructions}` }
    },
  })
}

function runCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'program.run',
    waitsFor: 'child',
    summary: 'Runs a program of the person, and returns its result.',
    input: runInput,
    output: programRunView,
    example: { program: 'tidy', input: { folder: '/shared/notes' }, wait: true, dry_run: false },
    // A person wrote or installed it with its rights, and each of its calls is judged separately.
    tier: 'side_effecting',
    does: ['delegate'],
    right: 'agent.spawn',
    effect: 'idempotent',
    timeoutMs: Infinity,
    recordOutput: recorded,
    compensation: ({ id, input: { wait } }) => (wait === false ? { call: 'program.cancel', input: { run: id } } : null),
    async run(input, { id, caller, signal }) {
      return shown(await (await load()).run({ caller, call: id }, input, signal))
    },
  })
}

const isGoingOn = ({ status }: ProgramRunView): boolean => status === 'running' || status === 'waiting' || status === 'planned'

/** A run that has failed, or says so by its result, is a result that reports a failure. */
function shown(view: ProgramRunView): { output: ProgramRunView; text: string; labels: ProgramRunView['labels']; ok: boolean } {
  const { id, program, status, failure, result, waiting_for: waits } = view
  const why = failure === null ? '' : `: ${failure.code}: ${failure.message} ${failure.hint}`
  const head = `${program} (${id}): ${status}${waits === '' ? '' : ` (${waits})`}${why}`
  const said = result === null ? '' : `\n${typeof result === 'string' ? result : JSON.stringify(result)}`
  return { output: view, text: head + said, labels: view.labels, ok: isGoingOn(view) || (status === 'success' && !saysNo(result)) }
}

function showCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'program.show',
    waitsFor: 'child',
    summary: 'Shows a run of a program: how it is, what it waits for, what it returned.',
    input: z.strictObject({
      run: runRef,
      wait_s: z.number().min(0).max(maxProgramWaitS).default(0).meta(evident('Seconds to wait for its end.')),
    }),
    output: programRunView,
    example: { run: exampleId, wait_s: 0 },
    tier: 'read_only',
    effect: 'none',
    timeoutMs: (maxProgramWaitS + 30) * 1_000,
    recordOutput: recorded,
    async run({ run: ref, wait_s: seconds }, { caller, signal }) {
      const desk = await load()
      const { id } = await desk.find(caller, ref)
      if (seconds > 0) await desk.look(id, seconds, signal)
      return shown(await desk.view(await desk.find(caller, id)))
    },
  })
}

function runsCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'program.runs',
    summary: 'Lists runs of programs, the newest first.',
    input: z.strictObject({
      ended: z.boolean().default(false).meta(evident('Also those that have ended.')),
      limit: z.int().min(1).max(200).default(50),
    }),
    output: z.strictObject({ runs: z.array(programRunView).readonly() }),
    example: { ended: true, limit: 50 },
    tier: 'read_only',
    effect: 'none',
    recordOutput: ({ runs }) => ({ runs: runs.length }),
    async run({ ended, limit }, { caller }) {
      const runs = await (await load()).runs(caller, ended, limit)
      const labels = [...new Set(runs.flatMap((each) => each.labels))].sort()
      const lines = runs.map((view) => shown(view).text.split('\n', 1)[0] ?? '')
      return { output: { runs }, text: lines.join('\n') || 'No program is running.', labels }
    },
  })
}

function cancelCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'program.cancel',
    summary: 'Ends a run of a program with everything that it runs.',
    input: z.strictObject({ run: runRef, reason: z.string().max(200).default('').meta(evident('Why.')) }),
    output: programRunView.extend({ cancelled: z.boolean().describe('False: it had ended before.') }),
    example: { run: exampleId, reason: 'No longer needed.' },
    tier: 'side_effecting',
    does: ['delegate'],
    effect: 'idempotent',
    timeoutMs: 60_000,
    recordOutput: recorded,
    async run({ run: ref, reason }, { caller }) {
      const desk = await load()
      const { id, status } = await desk.find(caller, ref)
      const view = await desk.view(await desk.cancel(id, reason || `It was cancelled by ${caller.actor}.`))
      return { ...shown(view), output: { ...view, cancelled: status === 'running' && view.status === 'cancelled' }, ok: true }
    },
  })
}

const fileText = z.string().max(maxProgramFileBytes)

function verifyCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'program.verify',
    summary: 'Checks the files of a program without running it.',
    input: z.strictObject({
      name: name.describe('Name of the program; with `files`, of its folder.'),
      files: z
        .strictObject({
          toml: fileText,
          instructions: fileText,
          script: fileText.optional(),
          module: z.string().max(maxModuleChars).optional(),
        })
        .optional()
        .meta(evident('Absent: the files of the program with this name.')),
    }),
    output: z.strictObject({
      ok: z.boolean(),
      problems: z.array(packageProblem).readonly(),
      warnings: z.array(packageProblem).readonly(),
    }),
    example: { name: 'tidy' },
    tier: 'read_only',
    effect: 'none',
    recordInput: (input) => ({ name: input.name }),
    recordOutput: ({ ok, problems, warnings }) => ({ valid: ok, problems: problems.length, warnings: warnings.length }),
    async run({ name: called, files }) {
      const desk = await load()
      const texts =
        files === undefined
          ? (await desk.info(called)).definition
          : {
              toml: files.toml,
              text: files.instructions,
              problem: '',
              ...(files.script !== undefined && { script: files.script }),
              ...(files.module !== undefined && { module: files.module }),
            }
      const { problems, warnings } = await desk.verify({ ...texts, kind: 'programs', name: called })
      const ok = problems.length === 0
      const lines = [...problems.map(problemText), ...warnings.map((each) => `warning: ${problemText(each)}`)]
      return { output: { ok, problems, warnings }, text: lines.join('\n') || 'It can run.', ok }
    },
  })
}

function callsCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'program.calls',
    summary: 'Lists the calls that a program can make; those that are named, with what they take and return.',
    input: z.strictObject({ names: z.array(z.string().max(100)).max(maxDescribedCalls).readonly().default([]) }),
    output: z.strictObject({
      calls: z
        .array(
          z.strictObject({
            name: z.string(),
            summary: z.string(),
            effect: z.string(),
            bound_by: z.enum(['paths', 'hosts', '']).describe('What of [rights] binds it, too.'),
            input: jsonObjectSchema().exactOptional(),
            output: jsonObjectSchema().exactOptional(),
          }),
        )
        .readonly(),
    }),
    example: { names: ['file.read'] },
    tier: 'read_only',
    effect: 'none',
    recordOutput: ({ calls }) => ({ calls: calls.length }),
    async run({ names }) {
      const all = (await load()).callsToList()
      const named = all.filter((each) => names.includes(each.name))
      const calls =
        names.length > 0 ? named : all.map(({ name: called, summary, effect, bound_by }) => ({ name: called, summary, effect, bound_by }))
      return { output: { calls }, text: calls.map((each) => `${each.name}: ${each.summary}`).join('\n') || 'There are no such calls.' }
    },
  })
}

function switchCalls(load: Load): readonly Call[] {
  return ([true, false] as const).map((isOn) =>
    defineCall({
      ...byPerson,
      name: isOn ? 'program.enable' : 'program.disable',
      summary: isOn ? 'Switches a program on again.' : 'Switches a program off: it does not run until it is switched on.',
      input: z.strictObject({ program: name }),
      output: z.strictObject({ program: z.string(), changed: z.boolean() }),
      example: { program: 'tidy' },
      tier: 'privileged',
      right: 'access.write',
      effect: 'idempotent',
      async run({ program }, { id, caller }) {
        const changed = await (await load()).toggle({ caller, call: id }, program, isOn)
        const state = isOn ? 'on' : 'off'
        return { output: { program, changed }, text: changed ? `${program} is switched ${state}.` : `${program} was ${state} already.` }
      },
    }),
  )
}
