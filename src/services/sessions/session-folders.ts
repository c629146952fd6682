/** The folder of the person in which a session was begun, as a program beside it knows it, e.g. an editor: only people and programs see it. */
import { z } from 'zod'
import type { DocumentChange, Documents } from '../../kernel/index.ts'
import type { SessionId } from '../../types/index.ts'

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

/** @returns the folders of all sessions that have one */
export async function foldersOf(documents: Pick<Documents, 'all'>): Promise<ReadonlyMap<string, string>> {
  return new Map((await documents.all<string>(folderCategory)).map(({ name, value }) => [name, value]))
}
