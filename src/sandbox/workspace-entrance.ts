/** What is done to the workspace before hands enter it, the same wherever they live on the person's own folders. */
import type { Profile } from '../types/index.ts'
import { createGuard } from './bubblewrap/git-guard.ts'
import type { Guard } from './bubblewrap/git-guard.ts'
import { sandboxUid } from './bubblewrap/launch-command.ts'
import { giveFolders } from './disk/give-folders.ts'
import { createGiver } from './workspace-folders.ts'
import type { WorkspaceFolders } from './workspace-folders.ts'

export interface WorkspaceEntrance {
  readonly asRoot: boolean
  /** Of repositories below `shared`. */
  readonly guard: Guard
  /** Gives the folders of the profile to hands, while nobody lives in them. @returns what to call when these hands are gone */
  enter(profile: Profile): Promise<() => void>
}

/** @param tellsMounts see createGuard */
export function createEntrance({ shared, tmp, vault }: WorkspaceFolders, tellsMounts = true): WorkspaceEntrance {
  const asRoot = process.getuid?.() === 0
  const guard = createGuard(shared, tellsMounts)
  const enterWork = createGiver(async () => {
    if (asRoot) await giveFolders([shared, tmp], sandboxUid)
    guard.look()
  })
  const enterVault = createGiver(() => (asRoot ? giveFolders([vault], sandboxUid) : Promise.resolve()))
  return { asRoot, guard, enter: (profile) => (profile === 'vault-read' ? enterVault : enterWork)() }
}
