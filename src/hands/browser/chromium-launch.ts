/**
 * Starts Chromium for one agent. Its own sandbox is off: Oxbow's namespaces, seccomp filter and control group isolate it, and Chromium's
 * would need system calls that the filter refuses. The network namespace has only the relay to the egress proxy; the flags only save futile
 * attempts and background traffic.
 */
import { lstat, mkdir, rm } from 'node:fs/promises'
import type { BrowserContext, BrowserType } from 'playwright-core'
import { failed } from '../failure.ts'
import { browserStartMs } from '../limits.ts'
import { relayHost, relayPort } from '../relay.ts'

export interface BrowserOptions {
  /** Path of Chromium. */
  readonly program: string
  /** Folder of the driver's package. */
  readonly driver: string
  /** Folder that holds a folder for each agent; no other profile of hands sees it. */
  readonly profiles: string
  /** `http://127.0.0.1:8118`; the only way to the network. */
  readonly proxy: string
}

/** Where a tier mounts the parts of the browser. */
export function browserAt(program: string): BrowserOptions {
  return { program, driver: '/opt/oxbow/playwright-core', profiles: '/profiles', proxy: `http://${relayHost}:${relayPort}` }
}

export interface Launched {
  readonly context: BrowserContext
  readonly downloads: string
}

/** Where downloads are saved, below /tmp, which the other tools see too. */
export const downloadFolder = '/tmp/downloads'
export const pictureFolder = '/tmp/screenshots'

const flags = [
  // Chromium's background traffic.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--disable-breakpad',
  '--disable-crash-reporter',
  '--no-pings',
  '--disable-extensions',
  // Its updater ignores the other flags; connections to this address fail.
  '--component-updater=url-source=http://127.0.0.1:9/',
  // Protocols that bypass an HTTP proxy, which would fail here anyway, and DNS inside the sandbox.
  '--disable-quic',
  '--dns-prefetch-disable',
  '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  // Memory and disk.
  '--disable-gpu',
  '--renderer-process-limit=12',
  '--disk-cache-size=67108864',
  '--media-cache-size=16777216',
]

/** @throws `sandbox_missing` when it does not start */
export async function launchChromium(options: BrowserOptions, profile: string): Promise<Launched> {
  const folder = `${options.profiles}/${profile}`
  const downloads = `${folder}/downloads`
  try {
    const chromium = await loadDriver(options)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    // Left by a browser that was killed. No other browser uses this folder, even if its pid was reused.
    for (const name of ['SingletonLock', 'SingletonSocket', 'SingletonCookie']) await rm(`${folder}/${name}`, { force: true })
    await rm(downloads, { recursive: true, force: true })
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: options.program,
      headless: true,
      chromiumSandbox: false,
      args: flags,
      // Pages may open windows on a click, not by themselves.
      ignoreDefaultArgs: ['--disable-popup-blocking'],
      env: { HOME: folder, TMPDIR: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' },
      proxy: { server: options.proxy, bypass: '<-loopback>' },
      acceptDownloads: true,
      downloadsPath: downloads,
      serviceWorkers: 'block',
      viewport: { width: 1280, height: 800 },
      timeout: browserStartMs,
    })
    return { context, downloads }
  } catch {
    const installed = await lstat(options.program).catch(() => null)
    const why = installed === null ? 'it is not installed' : 'it exited, or did not respond in time'
    throw failed(
      'sandbox_missing',
      `Chromium did not start: ${why}.`,
      'Try again; if that fails: apt-get install chromium, or raise browser.memory_mb.',
    )
  }
}

/** Loaded with the first page, so that other hands start faster. */
async function loadDriver({ driver, profiles }: BrowserOptions): Promise<BrowserType> {
  // While it loads, the driver reads the home and cache folders, which must not be visible to other tools.
  Object.assign(process.env, { HOME: profiles, TMPDIR: profiles })
  const entry = `${driver}/index.mjs`
  const { chromium } = (await import(entry)) as { chromium: BrowserType }
  return chromium
}
