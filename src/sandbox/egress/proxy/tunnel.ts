/** CONNECT: bytes both ways to a checked address. What is inside, TLS above all, stays between the two ends. */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { refuseTunnel } from './proxy-answer.ts'
import { tunnelTarget } from './proxy-target.ts'
import type { Passes } from './passes.ts'
import { boundBytes, reachTarget } from './reach-target.ts'

/** @param head what the client sent behind its request. Never rejects. */
export async function openTunnel(passes: Passes, request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
  const atEase = watchEnd(client)
  try {
    const { upstream } = await reachTarget(passes.holderOf(request), request.url ?? '', () => tunnelTarget(request), client)
    atEase()
    if (client.destroyed) return void upstream.destroy()
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) upstream.write(head)
    client.pipe(upstream)
    upstream.pipe(client)
    boundBytes(client, upstream)
    boundBytes(upstream, upstream)
    client.on('close', () => upstream.destroySoon())
    upstream.on('close', () => client.destroySoon())
  } catch (error) {
    atEase()
    refuseTunnel(client, error)
  }
}

/** Nobody reads from a client that waits for its tunnel, so its end would go unseen. @returns stops watching */
function watchEnd(client: Socket): () => void {
  const look = (): void => {
    // What it has sent early is for the other side; without that, reading shows the end.
    if (client.readableLength === 0) client.read()
  }
  const leave = (): void => void client.destroy()
  client.on('readable', look)
  client.once('end', leave)
  return () => {
    client.off('readable', look)
    client.off('end', leave)
  }
}
