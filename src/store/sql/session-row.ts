/** A session's row, as every dialect has it. */
import type { SessionRow } from '../store.ts'
import type { Tables } from './tables.ts'

export function sessionRow({ user: _user, created_at: createdAt, active_at: activeAt, ...row }: Tables['session']): SessionRow {
  return { ...row, createdAt, activeAt }
}
