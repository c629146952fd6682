/** `node inside-load.ts USER SECONDS`: sends one message after the other to a user's guest, and prints how many were answered each second. */
import { textOf } from './inside-machine.ts'
import { execFileSync } from 'node:child_process'

interface Client {
  createSession(title: string): Promise<{ readonly id: string }>
  sendTurn(turn: { session: string; text: string }): Promise<{ readonly turn: string }>
  follow(
    session: string,
    after: number,
    handler: (event: { type: string; record?: { phase: string; call: string } }) => void,
  ): Promise<unknown>
  close(): Promise<void>
}

const [user = '', seconds = '5'] = process.argv.slice(2)
/** As a package has it. */
const program: string = '/usr/lib/oxbow/dist/client.js'
const { connect } = (await import(program)) as { connect(options: object): Promise<Client> }
const { url } = JSON.parse(execFileSync('oxbow', ['status', '--user', user, '--json'], { encoding: 'utf8' })) as { url: string }
const token = textOf(`/var/lib/oxbow/users/${user}/users/default/ipc/token`).trim()
const client = await connect({ url, token, client: 'load' })
const session = await client.createSession('load')
let ended = Promise.withResolvers<void>()
let waited = ''
const over = new Set<string>()
await client.follow(session.id, 0, ({ type, record }) => {
  if (type !== 'record' || record?.phase !== 'outcome') return
  over.add(record.call)
  if (record.call === waited) ended.resolve()
})
async function turn(text: string): Promise<void> {
  ended = Promise.withResolvers<void>()
  waited = (await client.sendTurn({ session: session.id, text })).turn
  if (!over.has(waited)) await ended.promise
}
await turn('2+2')
await turn('2+3')
const began = performance.now()
let turns = 0
for (; performance.now() - began < Number(seconds) * 1_000; turns += 1) await turn(`${turns}+1`)
process.stdout.write(`${(turns / ((performance.now() - began) / 1_000)).toFixed(2)}\n`)
await client.close()
