/** The branch of files on which a fork works: the workspace as it was at a point of a session. */
import type { Core } from '../../kernel/index.ts'
import { OxbowError, type SessionId } from '../../base/index.ts'
import { type CallContext, forkSessionCall, isToolCall } from '../../protocol/index.ts'
import type { OpenVersions } from '../versions/service.ts'

interface ForkFilesDeps extends Pick<Core, 'store'> {
  readonly versions: () => Promise<OpenVersions>
}

interface ForkPoint {
  readonly session: SessionId
  /** The new session. */
  readonly made: SessionId
  /** The last record that both share. */
  readonly point: number
  /** Nothing has come after it. */
  readonly isNewest: boolean
}

/** Versions among which the one of the point is looked for. */
const maxSearched = 2_000

/** @returns the name of the branch @throws OxbowError `not_found` where no versions are kept, or none is that old */
export async function branchAt({ store, versions }: ForkFilesDeps, context: CallContext, point: ForkPoint): Promise<string> {
  const { versioning, branches } = await versions()
  const kept = await versioning.versions()
  if (kept === null)
    throw new OxbowError('not_found', 'This guest keeps no versions, so the files as they were are not known.', {
      hint: 'Fork without files, or set versions.enabled = true in config.toml.',
    })
  const { caller, id: call, signal } = context
  const name = `fork-${point.made.slice(-12)}`
  await versioning.sync()
  const at = point.isNewest ? '' : await versionAt(store, kept, point)
  const made = await (await branches()).create({ caller, call, name: forkSessionCall, signal }, { name, at, session: point.made })
  return made.name
}

/** The newest version of what was there at the point: what its turn had changed before its next call, and what others had changed at that time. */
async function versionAt(
  store: ForkFilesDeps['store'],
  versions: NonNullable<Awaited<ReturnType<OpenVersions['versioning']['versions']>>>,
  { session, point }: ForkPoint,
): Promise<string> {
  const [last] = await store.records({ after: point - 1, order: 'oldest_first', limit: 1, hydrate: false })
  const { at = 0, turn = '' } = last ?? {}
  const later = await store.records({ session, after: point, phases: ['intent'], order: 'oldest_first', limit: maxLater, hydrate: false })
  const next = later.find((record) => record.turn !== turn || isToolCall(record))
  const end = next === undefined ? Infinity : next.turn === turn ? next.at : Infinity
  const all = await versions.log({ from: 'HEAD', path: '', limit: maxSearched, each: true })
  const found = all.find((one) => {
    const isOwn = turn !== '' && one.trailers['oxbow-turn'] === turn
    return isOwn ? (Number(one.trailers['oxbow-time']) || one.at) <= end : one.at <= at
  })
  if (found !== undefined) return found.commit
  throw new OxbowError('not_found', 'No version of the files is as old as this point.', {
    hint: 'Fork without files, or from a later point; `oxbow log` lists the versions.',
  })
}

/** Records behind the point among which the next call of its turn is looked for. */
const maxLater = 200
