/** A line to a Postgres server that counts round trips: how often a client of some name has sent something after it had an answer. */
import { connect, createServer } from 'node:net'

export interface CountedLine extends AsyncDisposable {
  /** @returns the address with this line in place of the server */
  url(direct: string): string
  /** Trips of clients whose name, as `pg_stat_activity` shows it, begins so. */
  trips(name: string): number
}

export async function countedLine(): Promise<CountedLine> {
  const trips = new Map<string, number>()
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
      if (isAnswered) trips.set(name, (trips.get(name) ?? 0) + 1)
      isAnswered = false
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      isAnswered = true
      client.write(bytes)
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
    trips: (name) => [...trips].reduce((sum, [of, count]) => (of.startsWith(name) ? sum + count : sum), 0),
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  }
}
