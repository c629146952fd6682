/** Makes an image for containers or micro VMs, for a person who asks with `oxbow image build`. */
import { join } from 'node:path'
import { buildContainerImage, buildVmImage } from '../sandbox/index.ts'
import type { GuestEnvelope, ImageQuestion, ImageReport } from '../types/index.ts'
import { sandboxFolders } from './host-ways.ts'

/** @throws OxbowError `sandbox_missing` that says what to install, `sandbox_failed` when the engine refuses the image */
export async function buildImage(image: ImageQuestion, envelope: GuestEnvelope): Promise<ImageReport> {
  const begin = performance.now()
  const { cacheFolder, imageFolder } = sandboxFolders(envelope)
  if (image.vm !== undefined) {
    const { folder, files, bytes, fresh } = await buildVmImage({ imageFolder, extras: image.extras, kernel: image.vm.kernel })
    const made = fresh ? { files, bytes } : null
    return { engine: 'QEMU', image: folder, made, removed: 0, others: [], ms: Math.round(performance.now() - begin) }
  }
  const { container } = envelope.config.sandbox
  const built = await buildContainerImage({
    container: { ...container, engine: image.engine ?? container.engine },
    extras: image.extras,
    workFolder: join(cacheFolder, 'image'),
    imageFolder,
    removeOlder: true,
  })
  return { ...built, ms: Math.round(performance.now() - begin) }
}
