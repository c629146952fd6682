/** plugin-sql 1.7.2, a plugin with tables of its own, and plugin-mcp 1.8.2, which core 1.7.2 is too old for. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { elizaPackages, entriesOf, messageOf, openFakeGuest } from './eliza-packages-fixture.ts'

before(async () => void (await elizaPackages()))

describe('the database of plugins, and plugins that do not fit', () => {
  it('plugin-sql 1.7.2 finds our adapter ready and adds none', async () => {
    const guest = await openFakeGuest({ entries: entriesOf('plugin-sql') })
    try {
      const found = await guest.ask('describe', {})
      assert.deepEqual([found.actions, found.services], [[], []])
      await guest.ask('event', { name: 'NOTHING', payload: { message: messageOf('hi') as never } })
      assert.equal(
        guest.calls.some(({ input }) => input['method'] === 'createAgent'),
        true,
      )
      assert.equal(
        guest.calls.some(({ input }) => input['method'] === 'createMemory'),
        true,
      )
    } finally {
      await guest.close()
    }
  })
  it('a plugin with tables of its own gets a database in its folder', async () => {
    const folder = await elizaPackages()
    writeFileSync(
      join(folder, 'tables.mjs'),
      `import { pgTable, text } from 'drizzle-orm/pg-core'
const boats = pgTable('boats', { name: text('name').primaryKey() })
export default { name: 'tables', description: 'boats', schema: { boats }, actions: [{ name: 'KEEP', validate: async () => true,
  handler: async (runtime) => { await runtime.db.insert(boats).values({ name: 'Skagen' }); return { text: JSON.stringify(await runtime.db.select().from(boats)) } } }] }
`,
    )
    const guest = await openFakeGuest({ entries: ['tables.mjs', ...entriesOf('plugin-sql')] })
    try {
      const kept = await guest.ask('action', { name: 'KEEP', input: {}, message: null, state: {} })
      assert.deepEqual([kept.ok, kept.text], [true, '[{"name":"Skagen"}]'])
    } finally {
      await guest.close()
    }
  })
  it('plugin-mcp 1.8.2 is refused with the name that core does not export', async () => {
    await assert.rejects(openFakeGuest({ entries: entriesOf('plugin-mcp') }), (error: Error) => {
      assert.match(error.message, /`getRequestContext`, which @elizaos\/core 1\.7\.2 does not export/)
      return true
    })
  })
})
