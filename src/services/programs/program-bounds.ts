/**
 * Holds whoever works for a program to its manifest: the agent that follows its instructions, the agents, graphs, goals and programs that its
 * script starts, and all below them: each call has to be on the list of every program above it. Their rights are judged as anybody's; that the
 * manifests list a call, with this input, is judged here.
 */
import { type AgentProfile, type Core, type Judges, processRight, profileCategory } from '../../kernel/index.ts'
import { createRecentMap, type Failure, isDerived, type SessionId, type TurnId } from '../../base/index.ts'
import { maxHeldBounds } from './limits.ts'
import { type Manifest, usablePackage } from './program-package.ts'
import { type KeptProgram, programCategory, type ProgramRun, programVersions, sessionOfRun } from './program-record.ts'
import { refusalOf } from './program-rights.ts'

const gone: Failure = {
  code: 'denied',
  message: 'The run of the program for which you work is over.',
  hint: 'Stop, and say what you have done.',
}

const boundsBelow = 'What it lists bounds the programs that it runs, too.'

export function createProgramBounds({ documents }: Pick<Core, 'documents'>): Pick<Judges, 'refuse'> {
  /** Who started a session does not change, nor do the files of a run. Null: it works for no program. */
  const held = createRecentMap<SessionId, SessionId | null>(maxHeldBounds)
  const manifests = createRecentMap<string, Manifest>(maxHeldBounds)
  const profileOf = async (session: SessionId): Promise<AgentProfile | null> =>
    (await documents.get<AgentProfile>(profileCategory, session))?.value ?? null
  /** @returns the session of the nearest run above this one */
  const runAbove = async (session: SessionId): Promise<SessionId | null> => {
    const known = held.get(session)
    if (known !== undefined || !isDerived(session)) return known ?? null
    const profile = await profileOf(session)
    if (profile === null) return null
    const { home = '' } = profile
    // By what is above, not by who is named as its starter: graphs and goals name none where a person began the run.
    const above = home === '' ? null : (await isOfRun(home)) ? home : await runAbove(home)
    held.put(session, above)
    return above
  }
  const isOfRun = async (session: SessionId): Promise<boolean> => {
    const profile = isDerived(session) ? await profileOf(session) : null
    return profile !== null && sessionOfRun(profile.agent as string as TurnId) === session
  }
  const runIn = async (session: SessionId): Promise<ProgramRun | null> => {
    const id = (await profileOf(session))?.agent
    return id === undefined ? null : ((await documents.get<ProgramRun>(programCategory, id))?.value ?? null)
  }
  const manifestOf = async (run: ProgramRun): Promise<Manifest | null> => {
    const known = manifests.get(run.hash)
    if (known !== undefined) return known
    const kept = await documents.get<KeptProgram>(programVersions, run.hash)
    if (kept === null) return null
    const { manifest } = await usablePackage(kept.value)
    manifests.put(run.hash, manifest)
    return manifest
  }
  return {
    async refuse(caller, call, input) {
      // What each process may do, such as look for tools, changes nothing.
      if (caller.session === '' || call.right === processRight) return null
      const isScript = caller.refuses !== undefined
      let below = ''
      // A script has its own list with it.
      for (let session = await runAbove(caller.session); session !== null; session = await runAbove(session)) {
        const run = await runIn(session)
        // Agents end with the run; a program goes on where the one that began it does not wait.
        const isOver = below === '' && !isScript && run?.status !== 'running'
        const manifest = run === null || isOver ? null : await manifestOf(run)
        if (manifest === null) return gone
        const refused = refusalOf(manifest, call, input)
        if (refused !== null) return below === '' && !isScript ? refused : { ...refused, message: `${refused.message} ${boundsBelow}` }
        below = session
      }
      return null
    },
  }
}
