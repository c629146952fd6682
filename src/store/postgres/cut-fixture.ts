/** A line to a Postgres server that can be cut at a chosen moment: at a statement, before or after the server has heard it. */
import { createServer, connect, type Socket } from 'node:net'

export interface CutLine extends AsyncDisposable {
  /** The address with this line in place of the server. */
  url(direct: string): string
  /** Cuts once, at the next statement with this in it. `heard`: of a commit, the server gets it and its answer is lost. */
  cutAt(statement: string, when: 'unheard' | 'heard'): void
  /** Nobody answers any more, or somebody does again. */
  close(): void
  open(): void
  /** The machine of the server is gone without a word: nothing passes any more, and no connection ends or is refused. */
  silence(): void
  cuts(): number
}

export async function cutLine(port: number): Promise<CutLine> {
  let plan: { readonly statement: string; readonly when: 'unheard' | 'heard' } | null = null
  let cuts = 0
  let isClosed = false
  let isSilent = false
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    if (isClosed) {
      client.destroy()
      return
    }
    if (isSilent) {
      sockets.add(client.on('error', () => {}).on('close', () => sockets.delete(client)))
      return
    }
    const upstream = connect(port, '127.0.0.1')
    let isDone = true
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        if (isSilent) return
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (bytes) => {
      if (isSilent) return
      if (plan === null || !bytes.includes(plan.statement)) {
        upstream.write(bytes)
        return
      }
      const { when } = plan
      plan = null
      cuts++
      if (when === 'unheard') {
        client.destroy()
        return
      }
      isDone = false
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (isSilent) return
      // By its answer to the commit the server says that it is done; that answer is what gets lost.
      if (!isDone && bytes.includes('COMMIT\0')) client.destroy()
      else client.write(bytes)
    })
  })
  const own = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  return {
    url: (direct) => direct.replace(`:${port}/`, `:${own}/`),
    cutAt(statement, when) {
      plan = { statement, when }
    },
    close() {
      isClosed = true
      for (const socket of sockets) socket.destroy()
    },
    open() {
      isClosed = false
    },
    silence() {
      isSilent = true
    },
    cuts: () => cuts,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}
