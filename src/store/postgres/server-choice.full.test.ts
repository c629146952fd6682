/** An address with several servers: the one that accepts writes is found, whatever the others do. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import { openPgDriver } from './postgres-session.ts'

const skip = postgresSkip()
const postgres = usePostgres()

test(
  'a server that is gone, that is unknown, or that takes a connection and says nothing does not stand in the way',
  { skip },
  async () => {
    await using database = await postgres.database()
    const { port } = await postgres.server()
    await using silent = createServer((socket) => void socket.on('error', () => {}).resume())
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port: silentPort } = silent.address() as { port: number }
    for (const other of ['127.0.0.1:1', 'no-such-host.invalid:5432', `127.0.0.1:${silentPort}`]) {
      const url = `postgres://oxbow@${other},127.0.0.1:${port}/${database.name}`
      const driver = openPgDriver({ url, connections: 2, name: 'oxbow test' })
      const session = await driver.connect()
      assert.deepEqual(await session.rows({ text: 'select 1', values: [] }), [[1]], other)
      assert.deepEqual(await driver.read((reading) => reading.rows({ text: 'select 2', values: [] })), [[2]], other)
      await session.close()
      await driver.close()
    }
  },
)

test('where none accepts writes, that is said', { skip }, async () => {
  const driver = openPgDriver({
    url: 'postgres://oxbow@127.0.0.1:1,127.0.0.1:2/oxbow',
    connections: 2,
    name: 'oxbow test',
  })
  await assert.rejects(driver.connect(), { code: 'ECONNREFUSED' })
  await driver.close()
})
