/** Where keys and the store of one user are, for programs and tests that change keys. */
import { join } from 'node:path'
import { type KeyPlace, openHome, openWorkspace } from '../../src/runner/index.ts'
import type { UserId } from '../../src/base/index.ts'
import { configSchema } from '../../src/services/index.ts'

const user = 'ada' as UserId

export function keyPlace(root: string): KeyPlace {
  return { home: openHome({ OXBOW_HOME: root }), user, config: configSchema.parse({}), env: {} }
}

export function storePlace(root: string): { user: UserId; url: string; file: string } {
  const { root: workspace } = openWorkspace(openHome({ OXBOW_HOME: root }), user)
  return { user, url: '', file: join(workspace, 'internal', 'oxbow.db') }
}
