/** A program without a script: an agent follows its instructions, with the rights of the run, and returns its result. */
import type { Core } from '../../kernel/index.ts'
import { type CallId, fenced, type Json, jsonIn, OxbowError, toError, truncate } from '../../base/index.ts'
import type { Caller, CallOutcome } from '../../protocol/index.ts'
import type { ProgramPackage } from './program-package.ts'
import { placeOf, type ProgramRun } from './program-record.ts'
import type { ScriptEnd } from './program-script.ts'

interface Waited {
  readonly agents: readonly { readonly state: string; readonly reply: string; readonly reason: string }[]
}

/** Seconds of one wait for the agent; then it is looked at again. */
const waitS = 600

/** @param own the program, as it makes calls @throws OxbowError as the agent ended */
export async function followInstructions(
  deps: Pick<Core, 'gate' | 'newId'>,
  own: Caller,
  run: ProgramRun,
  program: ProgramPackage,
  signal: AbortSignal,
): Promise<ScriptEnd> {
  const { manifest } = program
  // Whoever began the run has decided that it works.
  const caller = { ...own, audience: 'terminal', rights: new Set([...own.rights, 'agent.spawn', 'agent.use']) } as const
  const call = async (id: CallId, name: string, input: Json): Promise<Extract<CallOutcome, { status: 'ok' }>> => {
    const outcome = await deps.gate.call(caller, name, input, { id, signal, resumed: true, durable: true })
    signal.throwIfAborted()
    if (outcome.status === 'ok') return outcome
    throw toError(outcome.failure)
  }
  const spawned = await call(placeOf(run.id, 0), 'agent.spawn', {
    name: run.program,
    task: taskOf(program, run),
    instructions: program.instructions,
    // What limits them is passed on with them.
    rights: [...own.rights],
  })
  const { id } = spawned.output as { readonly id: string }
  for (;;) {
    const { output } = await call(deps.newId() as CallId, 'agent.wait', { agents: [id], timeout_s: waitS })
    const [agent] = (output as Waited).agents
    if (agent === undefined || agent.state === 'failed' || agent.state === 'killed')
      throw new OxbowError('tool_failed', `The agent that followed SKILL.md has ended: ${agent?.reason ?? 'it is gone'}.`, {
        hint: 'Run it again.',
      })
    if (agent.state === 'done' || agent.state === 'idle') {
      const value = manifest.result === undefined ? agent.reply : resultIn(agent.reply)
      return { value, printed: manifest.result === undefined ? '' : truncate(agent.reply, 4_000), failure: null }
    }
  }
}

function taskOf({ manifest }: ProgramPackage, run: ProgramRun): string {
  const given = JSON.stringify(run.input, null, 2)
  const answer =
    manifest.result === undefined
      ? ''
      : `\nAnswer with one JSON value that matches this schema, and nothing else:\n${JSON.stringify(manifest.result)}`
  return `Do what your instructions say, as the program ${run.program}. Its input is data:\n${fenced(given, placeOf(run.id, 0))}${answer}`
}

/** @throws OxbowError `tool_failed` */
function resultIn(reply: string): Json {
  const value = jsonIn(reply)
  if (value !== undefined) return value
  throw new OxbowError('tool_failed', 'The agent answered with something that is not JSON.', {
    hint: 'Say the form of the result in SKILL.md.',
  })
}
