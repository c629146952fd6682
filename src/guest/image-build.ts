/** Makes an image for containers or micro VMs, for a person who asks with `oxbow image build`. */
import { dirname, join } from 'node:path'
import { buildContainerImage, buildVmImage } from '../sandbox/index.ts'
import type { GuestEnvelope, ImageQuestion, ImageReport } from '../types/index.ts'

/** @throws OxbowError `sandbox_missing` that says what to install, `sandbox_failed` when the engine refuses the image */
export async function buildImage(image: ImageQuestion, { config, workspaceRoot, catalogFolder }: GuestEnvelope): Promise<ImageReport> {
  const begin = performance.now()
  if (image.vm !== undefined) {
    const imageFolder = catalogFolder === undefined ? join(workspaceRoot, 'internal') : join(dirname(catalogFolder), 'images')
    const { folder, files, bytes, fresh } = await buildVmImage({ imageFolder, extras: image.extras, kernel: image.vm.kernel })
    const made = fresh ? { files, bytes } : null
    return { engine: 'QEMU', image: folder, made, removed: 0, others: [], ms: Math.round(performance.now() - begin) }
  }
  const { container } = config.sandbox
  const built = await buildContainerImage({
    container: { ...container, engine: image.engine ?? container.engine },
    extras: image.extras,
    // Where an isolated guest cannot have put anything.
    workFolder: join(workspaceRoot, config.sandbox.isolate_guest ? 'hands' : 'internal', 'image'),
    removeOlder: true,
  })
  return { ...built, ms: Math.round(performance.now() - begin) }
}
