/** Asks an agent for something and shows every system call it made. Run it while a guest runs: `node examples/ask-and-listen.ts`. */
import assert from 'node:assert/strict'
import { connect } from 'oxbow/client'

const { OXBOW_URL: url = '', OXBOW_TOKEN: token = '' } = process.env
const client = await connect({ url, token, client: 'example' })
const session = await client.createSession('example')
const { turn } = await client.sendTurn({ session: session.id, text: 'write "hello" to greeting.txt' })
const names: string[] = []
const ended = Promise.withResolvers<void>()
await client.follow(session.id, 0, (event) => {
  if (event.type !== 'record' || event.record.phase !== 'outcome') return
  names.push(event.record.name)
  if (event.record.call === (turn as string)) ended.resolve()
})
await ended.promise
assert.ok(names.includes('file.write'), 'the agent asked to write the file')
console.log(names.join(' → '))
await client.close()
