/**
 * The log file that the settings name.
 */
import type { Settings } from './config/schema.js';
import { LogFile } from './telemetry/log-file.js';

/** null: lines go to standard output. @throws SluiceError `log-file`. */
export function openLogFile({ logFile, logFileSize, logFileKeep, logFileAge }: Settings): LogFile | null {
  if (logFile === '') return null;
  return new LogFile({ path: logFile, size: logFileSize, keep: logFileKeep, age: logFileAge });
}
