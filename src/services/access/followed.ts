/** Sessions that a program may follow though its key has no right to read sessions. */
import type { Documents } from '../../kernel/index.ts'
import type { SessionId } from '../../base/index.ts'
import type { Caller } from '../../protocol/index.ts'
import { followCategory } from './config.ts'

/** What such a document says. */
interface Followed {
  readonly right: string
}

/** @returns whether a caller may follow a session by a right of its own for it */
export async function mayFollow(
  documents: Pick<Documents, 'get'>,
  { rights }: Pick<Caller, 'rights'>,
  session: SessionId,
): Promise<boolean> {
  const followed = await documents.get<Followed>(followCategory, session)
  return followed !== null && rights.has(followed.value.right)
}
