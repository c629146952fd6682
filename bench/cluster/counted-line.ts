/**
 * A line to a Postgres server that counts round trips: how often a client of some name has sent something after it had an answer. While it counts,
 * answers take a while, so that all that a client sends without waiting is one trip.
 */
import { connect, createServer } from 'node:net'

export interface CountedLine extends AsyncDisposable {
  /** @returns the address with this line in place of the server */
  url(direct: string): string
  /** @returns trips of clients whose name, as `pg_stat_activity` shows it, begins so, while `work` runs */
  tripsOf(name: string, work: () => Promise<void>): Promise<number>
}

/** Longer than a busy machine keeps a client from sending what it has. */
const delayMs = 60

export async function countedLine(): Promise<CountedLine> {
  const counted = new Map<string, number>()
  let isCounting = false
  let target = { host: '127.0.0.1', port: 0 }
  const server = createServer((client) => {
    const upstream = connect(target)
    let name = ''
    let isAnswered = true
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (bytes) => {
      name ||= /application_name\0([^\0]*)/.exec(bytes.toString('latin1'))?.[1] ?? ''
      if (isAnswered && isCounting) counted.set(name, (counted.get(name) ?? 0) + 1)
      isAnswered = false
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      const answer = (): void => {
        isAnswered = true
        client.write(bytes)
      }
      if (isCounting) setTimeout(answer, delayMs)
      else answer()
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url(direct) {
      const url = new URL(direct)
      target = { host: url.hostname, port: Number(url.port) }
      url.host = `127.0.0.1:${port}`
      return url.href
    },
    async tripsOf(name, work) {
      counted.clear()
      isCounting = true
      await work()
      isCounting = false
      return [...counted].reduce((sum, [of, trips]) => (of.startsWith(name) ? sum + trips : sum), 0)
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  }
}
