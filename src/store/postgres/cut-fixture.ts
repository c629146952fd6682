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

interface Line {
  plan: { readonly statement: string; readonly when: 'unheard' | 'heard' } | null
  cuts: number
  isClosed: boolean
  isSilent: boolean
  readonly sockets: Set<Socket>
}

/** Carries one connection to the server, as long as the line does. */
function carry(line: Line, client: Socket, port: number): void {
  const { sockets } = line
  if (line.isClosed) {
    client.destroy()
    return
  }
  if (line.isSilent) {
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
      if (line.isSilent) return
      client.destroy()
      upstream.destroy()
    })
  }
  client.on('data', (bytes) => {
    if (line.isSilent) return
    if (line.plan === null || !bytes.includes(line.plan.statement)) {
      upstream.write(bytes)
      return
    }
    const { when } = line.plan
    line.plan = null
    line.cuts++
    if (when === 'unheard') {
      client.destroy()
      return
    }
    isDone = false
    upstream.write(bytes)
  })
  upstream.on('data', (bytes) => {
    if (line.isSilent) return
    // By its answer to the commit the server says that it is done; that answer is what gets lost.
    if (!isDone && bytes.includes('COMMIT\0')) client.destroy()
    else client.write(bytes)
  })
}

export async function cutLine(port: number): Promise<CutLine> {
  const line: Line = { plan: null, cuts: 0, isClosed: false, isSilent: false, sockets: new Set() }
  const server = createServer((client) => carry(line, client, port))
  const own = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  return {
    url: (direct) => direct.replace(`:${port}/`, `:${own}/`),
    cutAt(statement, when) {
      line.plan = { statement, when }
    },
    close() {
      line.isClosed = true
      for (const socket of line.sockets) socket.destroy()
    },
    open() {
      line.isClosed = false
    },
    silence() {
      line.isSilent = true
    },
    cuts: () => line.cuts,
    async [Symbol.asyncDispose]() {
      for (const socket of line.sockets) socket.destroy()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}
