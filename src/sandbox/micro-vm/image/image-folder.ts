/** Where the image of a machine stands, for those who start one. What builds it is not loaded with this. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The files of an image, in a folder that is never changed once it has its name. */
export const imageFiles = { kernel: 'vmlinux', initramfs: 'initramfs.gz', root: 'root.ext4' } as const
/** Which hands are in it: a hash of their program. */
export const handsMarkFile = 'hands.sha256'
/** Where images are kept, in the image folder. */
export const imagesName = 'vm'
/** Holds the name of the image that was built last. */
export const currentName = 'current'

/** @param folder of an image, or one with images. @returns the image's own folder; null when there is none. Never throws. */
export async function findVmImage(folder: string): Promise<string | null> {
  const isImage = (path: string): boolean => Object.values(imageFiles).every((name) => existsSync(join(path, name)))
  if (isImage(folder)) return folder
  try {
    const image = join(folder, (await readFile(join(folder, currentName), 'utf8')).trim())
    return isImage(image) ? image : null
  } catch {
    return null
  }
}

export function handsMark(program: string): string {
  return createHash('sha256').update(program).digest('hex')
}

/** Hands and kernel speak one protocol: an image of another version must be built anew. Never throws. */
export async function holdsHands(image: string, program: string): Promise<boolean> {
  return readFile(join(image, handsMarkFile), 'utf8').then(
    (mark) => mark === handsMark(program),
    () => false,
  )
}
