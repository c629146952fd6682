/**
 * Calls of a server that runs on this machine: it may keep what it is told, in its memory or in files, and tell it in another conversation. So
 * labels of what it is told join its own, and what it answers, or writes meanwhile, has them. A server at an address is outside of this
 * machine, and `[flow]` judges what is sent there as it judges any other way out.
 */
import {
  type Call,
  type CallContext,
  type Caller,
  joinLabels,
  labelledError,
  originOf,
  type ProgramSees,
  type Provenance,
  seenIn,
  type ToldLabels,
} from '../../protocol/index.ts'
import type { HeldServer } from './server-table.ts'

export interface ToldDeps {
  readonly told: ToldLabels
  readonly heldBy: (caller: Pick<Caller, 'session' | 'scope'>) => Provenance
}

const originOfServer = (name: string): ReturnType<typeof originOf> => originOf('server', name)

export function toldCalls(calls: readonly Call[], { server, connection }: HeldServer, deps: ToldDeps): readonly Call[] {
  const { name, settings } = server
  if (settings.url !== '') return calls
  const writes = settings.folders.some((folder) => folder.endsWith(':rw'))
  const goesOn = { program: originOfServer(name), lives: () => connection.state().begun }
  return calls.map((call) => ({
    ...call,
    run: (input, context) => runTold(call, input, context, originOfServer(name), deps, writes ? { goesOn } : {}),
  }))
}

async function runTold(
  call: Call,
  input: unknown,
  context: CallContext,
  server: ReturnType<typeof originOf>,
  { told, heldBy }: ToldDeps,
  goesOn: Pick<ProgramSees, 'goesOn'>,
): ReturnType<Call['run']> {
  await told.tell(server, heldBy(context.caller))
  const holds = await told.of(server)
  const whileProgram: CallContext['whileProgram'] = (sees, work) => context.whileProgram({ ...sees, holds, ...goesOn }, work)
  try {
    const done = await call.run(input, { ...context, whileProgram })
    return { ...done, labels: joinLabels(done.labels ?? [], (await told.of(server)).labels) }
  } catch (error) {
    throw labelledError(error, (await told.of(server)).labels)
  } finally {
    if (call.folders !== undefined) await told.tell(server, seenIn(context.labels(), call.folders))
  }
}

/** The program of a server has ended. @param isGone it was removed, with whatever it keeps at its hosts */
export async function forgetTold({ name, settings }: HeldServer['server'], { told }: ToldDeps, isGone: boolean): Promise<void> {
  if (isGone || settings.allow.length === 0) await told.clear(originOfServer(name))
}
