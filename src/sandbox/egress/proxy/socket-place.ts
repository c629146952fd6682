/** Where the proxy's sockets are: in a folder that only the kernel's user can enter, as sandboxes are shown the socket alone. */
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sandboxUid } from '../../tier-plan.ts'
import { maxSocketPathBytes } from '../../limits.ts'

export interface SocketPlace {
  readonly path: (name: string) => string
  remove(): Promise<void>
}

/**
 * @param folder of the workspace, not seen by agents; what a killed kernel has left there is removed
 * @param longest bytes of a file name in it
 * @throws a system error when the folder cannot be made
 */
export async function makeSocketPlace(folder: string, longest: number): Promise<SocketPlace> {
  const fits = Buffer.byteLength(folder) + 1 + longest <= maxSocketPathBytes
  const place = fits ? folder : await mkdtemp(join(tmpdir(), 'oxbow-egress-'))
  if (fits) {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
  }
  return { path: (name) => join(place, name), remove: () => rm(place, { recursive: true, force: true }) }
}

/** Only root and the uid of hands may connect: their own where the kernel is no root. */
export async function openToHands(socketPath: string): Promise<void> {
  await chmod(socketPath, 0o600)
  if (process.getuid?.() === 0) await chown(socketPath, sandboxUid, sandboxUid)
}
