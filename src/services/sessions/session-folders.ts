/** The person's folder in which a session began, as a program such as an editor knows it: only people and programs see it. */
import { z } from 'zod'
import type { DocumentChange, Documents } from '../../kernel/index.ts'
import type { SessionId } from '../../base/index.ts'

const folderCategory = 'system/session_folders'
/** The longest path of Linux. */
const maxPathChars = 4_096

export const sessionFolder: z.ZodType<string> = z.string().startsWith('/').max(maxPathChars)

/** @param folder null: it has none any more */
export const folderChange = (session: SessionId, folder: string | null): DocumentChange => ({
  category: folderCategory,
  name: session,
  value: folder,
})

/** @returns the folder of a session; null: it has none */
export async function folderOf(documents: Pick<Documents, 'get'>, session: SessionId): Promise<string | null> {
  return (await documents.get<string>(folderCategory, session))?.value ?? null
}

/** @returns the folders of those sessions that have one. Reads no others: there may be many more than a list shows. */
export async function foldersOf(
  documents: Pick<Documents, 'get' | 'list'>,
  sessions: readonly SessionId[],
): Promise<ReadonlyMap<SessionId, string>> {
  // Most people never use an editor, and none of their sessions has one.
  if (sessions.length === 0 || (await documents.list(folderCategory, 1)).length === 0) return new Map()
  const folders = await Promise.all(sessions.map(async (session) => [session, await folderOf(documents, session)] as const))
  return new Map(folders.flatMap(([session, folder]) => (folder === null ? [] : [[session, folder] as const])))
}
