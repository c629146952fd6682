/**
 * Programs with `tool = true` as calls: `programs.NAME` takes what its `[input]` describes, runs the program with its own rights, as far as
 * whoever calls it can pass them on, and returns its result.
 */
import { z } from 'zod'
import type { Coming, Core } from '../../../kernel/index.ts'
import { isObject, type Json, type JsonObject, OxbowError, problemLines } from '../../../base/index.ts'
import { type Call, defineCall } from '../../../protocol/index.ts'
import type { DefinitionText } from '../../../config/index.ts'
import { maxToolPrograms, toolListMs } from '../limits.ts'
import { parsePackage, type ProgramPackage } from '../program-package.ts'
import { isActive, programSwitches, readSwitches, saysNo } from '../program-record.ts'
import type { ProgramDesk } from '../program-desk.ts'

/** Not the family of the calls about programs: a program may have the name of one of them. */
export const toolCallName = (program: string): string => `programs.${program}`

const none: readonly Call[] = []

/** @returns undefined where no host has programs */
export function toolPrograms(core: Core, desk: () => Promise<ProgramDesk>): Coming | undefined {
  const { host, documents, clock } = core
  if (host === undefined) return undefined
  let calls = none
  let known = ''
  let readAt = -Infinity
  let reading: Promise<void> | null = null
  let isLoaded = false
  const read = async (): Promise<void> => {
    const all = (await host.definitions()).filter(
      ({ kind, problem, toml }) => kind === 'programs' && problem === '' && /^\s*tool\s*=\s*true/m.test(toml),
    )
    const said = all.length === 0 ? null : await readSwitches(documents)
    const active = all.filter(({ name, place }) => isActive(said?.get(name), place)).slice(0, maxToolPrograms)
    const now = JSON.stringify(active.map(({ name, toml }) => [name, toml]))
    // The same array until something changes.
    if (now === known) return
    known = now
    calls = (await Promise.all(active.map((each) => toolOf(core, desk, each)))).filter((call) => call !== null)
  }
  const refresh = (): void => {
    if (reading !== null || clock.monotonicMs() - readAt < toolListMs) return
    reading = read()
      .catch((error: unknown) => console.error(error))
      .finally(() => {
        readAt = clock.monotonicMs()
        reading = null
        isLoaded = true
      })
  }
  // What a person has switched counts with the next turn.
  documents.watch(programSwitches, () => void (readAt = -Infinity))
  return {
    calls() {
      refresh()
      return calls
    },
    loading() {
      refresh()
      return isLoaded ? null : reading
    },
  }
}

async function toolOf({ schemas }: Core, desk: () => Promise<ProgramDesk>, definition: DefinitionText): Promise<Call | null> {
  const { program } = await parsePackage(definition)
  return program?.manifest.program.tool === true ? toolCall({ schemas, desk, program }) : null
}

const anyObject = z.custom<JsonObject>((value) => isObject(value), 'the input must be one JSON object')

function toolCall({
  schemas,
  desk,
  program: { manifest },
}: Pick<Core, 'schemas'> & { readonly desk: () => Promise<ProgramDesk>; readonly program: ProgramPackage }): Call {
  const { name, description } = manifest.program
  const parameters: JsonObject = manifest.input ?? { type: 'object', additionalProperties: false }
  return defineCall({
    name: toolCallName(name),
    summary: description,
    input: anyObject,
    parameters,
    output: z.strictObject({ run: z.string(), result: z.custom<Json>() }),
    example: {},
    rare: true,
    audience: ['model', 'terminal'],
    waitsFor: 'child',
    // Its own calls are judged one by one, with the rights of its manifest.
    tier: 'side_effecting',
    does: ['delegate'],
    right: 'agent.spawn',
    effect: 'idempotent',
    labels: { adds: [], sink: false },
    timeoutMs: Infinity,
    recordOutput: ({ run }) => ({ run }),
    async run(input, { id, caller, signal }) {
      const problems = await schemas.validate(parameters, input)
      if (problems.length > 0)
        throw new OxbowError('bad_input', `The input does not fit [input] of ${name}:\n${problemLines(problems)}`, {
          hint: 'Correct it and call again; nothing ran.',
        })
      const view = await (await desk()).run({ caller, call: id }, { program: name, input, wait: true, dry_run: false }, signal)
      const { result, failure, status, labels, id: run } = view
      const said = typeof result === 'string' ? result : JSON.stringify(result)
      const text = failure === null ? said : `${name} ended with ${status}: ${failure.code}: ${failure.message} ${failure.hint}`
      return { output: { run, result }, text, labels, ok: status === 'success' && !saysNo(result) }
    },
  })
}
