/** Images that sandboxes start from: what the terminal asks the guest program about them, and what it answers. */

/** A question about the images of this home. `remove` takes names as `list` has them, or their last part; each answers with images. */
export type ImageQuestion =
  | ({ readonly ask: 'build' } & ImageToBuild)
  | { readonly ask: 'list' }
  | { readonly ask: 'remove'; readonly names: readonly string[]; readonly dryRun: boolean }

/** An image to build for the container tier or, with `vm`, for the micro-VM tier. `engine` overrides the configuration. */
export interface ImageToBuild {
  /** Null: as chosen for the last one. */
  readonly extras: readonly ImageExtra[] | null
  readonly engine?: 'podman' | 'docker'
  /** `kernel` is the path of a Debian kernel package; empty: the one in the cache, otherwise the newest one, which is downloaded. */
  readonly vm?: { readonly kernel: string }
}

export type ImageExtra = 'ripgrep' | 'git' | 'python' | 'bash' | 'browser'
export const imageExtras: readonly ImageExtra[] = ['ripgrep', 'git', 'python', 'bash', 'browser']

/** An image that this home has built. */
export interface KeptImage {
  readonly kind: 'container' | 'vm'
  /** As the engine knows it; for micro VMs the folder. */
  readonly name: string
  readonly bytes: number
  /** Programs that a person has chosen. */
  readonly with: readonly string[]
  /** Whether the next sandbox of this kind starts from it, unless the configuration names another. */
  readonly used: boolean
}

export interface ImageList {
  readonly images: readonly KeptImage[]
  /** Why container images are not known; empty if they are. */
  readonly problem: string
}

export interface ImageReport {
  readonly engine: string
  readonly image: string
  readonly with: readonly ImageExtra[]
  /** Files and bytes in it; null if the engine had the image already. */
  readonly made: { readonly files: number; readonly bytes: number } | null
  /** Number of older images of this installation that were removed. */
  readonly removed: number
  /** Short ids of images built by other versions of Oxbow, which are kept. */
  readonly others: readonly string[]
  readonly ms: number
}

/** Environment variables by which container engines find their service, storage and configuration. None holds a secret. */
export const engineVariables = [
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'DBUS_SESSION_BUS_ADDRESS',
  'CONTAINERS_CONF',
  'CONTAINERS_STORAGE_CONF',
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
] as const
