/** The crowd of bad clients as the harness holds it: a process that is begun and ended. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CrowdPlan, CrowdReport } from './bad-client-program.js';

const PROGRAM = fileURLToPath(new URL('./bad-client-program.js', import.meta.url));

export class BadCrowd {
  private readonly child: ChildProcess;

  /** `tlsPort`: where TLS is spoken from the first byte, for the kinds that want it. */
  constructor(port: number, tlsPort = 0) {
    this.child = fork(PROGRAM, [String(port), String(tlsPort)], { stdio: 'inherit', execArgv: [] });
  }

  begin(plan: CrowdPlan): void {
    this.child.send({ begin: plan });
  }

  /** What became of them so far. */
  tell(): Promise<CrowdReport> {
    return this.ask({ tell: true });
  }

  /** Ends all of them and the process. */
  async end(): Promise<CrowdReport> {
    const report = await this.ask({ end: true });
    this.kill();
    return report;
  }

  private ask(order: object): Promise<CrowdReport> {
    return new Promise((resolve) => {
      const gone = (): void => resolve({});
      this.child.once('message', (message) => {
        this.child.off('exit', gone);
        resolve(message as CrowdReport);
      });
      this.child.once('exit', gone);
      this.child.send(order);
    });
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** `drip 40/12 vanish 5/5`: begun and ended by the engine, for a report. */
export function describeCrowd(report: CrowdReport): string {
  return Object.entries(report)
    .map(([kind, { begun, ended }]) => `${kind}:${begun}/${ended}`)
    .join(',');
}
