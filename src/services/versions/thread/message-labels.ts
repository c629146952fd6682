/**
 * Labels of messages and tags. Whoever wrote one may have repeated what they had read, so each carries their labels with it, as a trailer:
 * it goes wherever the repository goes.
 */
import type { Store } from '../../../store/index.ts'
import { isUuid, ownValue, type SessionId } from '../../../base/index.ts'
import { type Label, joinLabels, type Labels, parseLabels } from '../../../protocol/index.ts'

const trailer = 'Oxbow-Labels'

/** @param labels of what the message may repeat @returns the trailers of a commit */
export function trailersOf(
  { session, turn }: { readonly session: string; readonly turn: string },
  labels: Labels,
): Readonly<Record<string, string>> {
  const made = { ...(session !== '' && { 'Oxbow-Session': session }), ...(turn !== '' && { 'Oxbow-Turn': turn }) }
  return { ...made, [trailer]: valueOf(labels) }
}

/** The last line of the message of a tag. */
export function labelLine(labels: Labels): string {
  return `${trailer}: ${valueOf(labels)}`
}

const valueOf = (labels: Labels): string => labels.join(' ') || 'none'

/** @returns the labels in the message of a tag: a line of the message itself can only add some */
export function labelsOfTag(text: string): Labels {
  return [...text.matchAll(new RegExp(`^${trailer}: (.*)$`, 'gm'))].flatMap(([, value = '']) => labelsIn(value))
}

/** @param trailers by name in lower case @returns null where they do not say, as in a commit of an earlier release */
export function labelsOfCommit(trailers: Readonly<Record<string, string>>): Labels | null {
  const value = ownValue(trailers, trailer.toLowerCase())
  return value === undefined ? null : labelsIn(value)
}

function labelsIn(value: string): readonly Label[] {
  return parseLabels(value.replaceAll(' ', ','))
}

/** What the log shows of a commit. */
interface Labelled {
  readonly labels: Labels | null
  readonly trailers: Readonly<Record<string, string>>
}

/** @returns the labels of messages and tags; where one has none on record, the present labels of its session */
export async function messageLabels(store: Pick<Store, 'session'>, commits: readonly Labelled[]): Promise<Labels> {
  const all = await Promise.all(
    commits.map(async ({ labels, trailers }): Promise<Labels> => {
      const session = trailers['oxbow-session'] ?? ''
      if (labels !== null || session === '') return labels ?? []
      const row = isUuid(session) ? await store.session(session as SessionId) : null
      return row === null ? ['private'] : parseLabels(row.labels)
    }),
  )
  return all.reduce<Labels>(joinLabels, [])
}

/** Stands among the turns of a commit for whoever else may have changed something. */
export const unknownTurn = '?'
