/**
 * Where the systems differ for the sandbox runtime: which folders of the machine hold what is not for agents. Everything else of
 * it can be read, as on any system with several users. The lists of macOS were never tried on one.
 */

const everywhere = ['/opt', '/root', '/home', '/mnt', '/media', '/srv', '/boot'] as const

/** Homes, other disks, what services keep. /etc and /private/etc stay: linkers, TLS and names need them. */
const ofMacOs = [
  '/Users',
  '/Volumes',
  '/Network',
  '/private/var/root',
  '/private/var/db/dslocal',
  '/private/var/log',
  '/Library/Keychains',
] as const

const ofLinux = [...everywhere, '/var', '/etc/shadow', '/etc/gshadow', '/etc/ssh', '/run'] as const

/** @param home of the person, as a real path: it may be somewhere else than homes usually are */
export function hiddenFolders(platform: NodeJS.Platform, home: string): readonly string[] {
  const usual = platform === 'darwin' ? ofMacOs : ofLinux
  // Accounts of services often have the root folder for a home.
  return home === '/' || usual.some((folder) => `${home}/`.startsWith(`${folder}/`)) ? usual : [...usual, home]
}

/** Programs that the runtime itself needs, where they usually are. */
export function runtimePath(platform: NodeJS.Platform): string {
  return platform === 'darwin' ? '/usr/bin:/bin:/usr/sbin:/sbin:/opt/homebrew/bin:/usr/local/bin' : '/usr/bin:/bin:/usr/sbin:/sbin'
}
