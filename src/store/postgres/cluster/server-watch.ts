/**
 * Whether a server still answers. One whose machine is gone without a word resets no connection, and TCP would wait for it for a quarter of an hour:
 * Node cannot set TCP_USER_TIMEOUT. So where statements are under way and none has been answered for a while, the server is asked over a new
 * connection. One that is only slow answers there, and nothing happens. One that does not, and not the second time either, counts as gone: all
 * connections to it are ended, so that whoever waits finds out, and connects to the server that is there.
 */
import { Socket } from 'node:net'
import pg from 'pg'
import { connectMs, serverAsks, silentServerMs } from '../../limits.ts'

export interface ServerWatch {
  /** For the driver: connections to this server are made of these. */
  readonly socket: () => Socket
  /** A statement is sent. @returns what to call when it has ended; `isAnswered`: the server has said so */
  begin(): (isAnswered: boolean) => void
  /** Ends all connections to the server at once. */
  cut(): void
}

/** @param config of connections to this server, with its address */
export function watchServer(config: pg.ClientConfig): ServerWatch {
  const sockets = new Set<Socket>()
  let underWay = 0
  let answeredAt = 0
  let unanswered = 0
  let timer: ReturnType<typeof setTimeout> | null = null
  const cut = (): void => {
    for (const socket of sockets) socket.destroy(new Error('Connection lost: the server does not answer'))
  }
  const lookIn = (ms: number): void => {
    timer = setTimeout(() => void look(), ms).unref()
  }
  const look = async (): Promise<void> => {
    if (underWay === 0) {
      timer = null
      return
    }
    const silentMs = performance.now() - answeredAt
    if (silentMs < silentServerMs) return lookIn(silentServerMs - silentMs)
    const before = answeredAt
    if ((await answers(config)) || answeredAt > before) {
      answeredAt = performance.now()
      unanswered = 0
    } else {
      unanswered += 1
      if (unanswered >= serverAsks) {
        unanswered = 0
        cut()
      }
    }
    lookIn(unanswered > 0 ? 0 : silentServerMs)
  }
  return {
    socket() {
      const socket = new Socket()
      sockets.add(socket)
      return socket.once('close', () => sockets.delete(socket))
    },
    begin() {
      if (underWay === 0) answeredAt = performance.now()
      underWay += 1
      if (timer === null) lookIn(silentServerMs)
      return (isAnswered) => {
        underWay -= 1
        if (isAnswered) answeredAt = performance.now()
      }
    },
    cut,
  }
}

/** @returns whether the server says anything at all: one that refuses a connection is there */
async function answers(config: pg.ClientConfig): Promise<boolean> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: connectMs })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch (error) {
    return error instanceof pg.DatabaseError
  } finally {
    void client.end().catch(() => {})
  }
}
