import java.io.FileWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import java.util.TreeSet;

/**
 * Loads classes and writes down what becomes of each.
 *
 * Usage: SmokeTest ITEMS FOLDER SECONDS. The protocol is in smoke.go. It is
 * compiled for Java 8, into one class.
 */
public class SmokeTest extends Thread {
	private static Path results;
	private static volatile long end = Long.MAX_VALUE;

	/** Ends a class that does not come to an end. */
	@Override
	public void run() {
		while (System.nanoTime() < end) {
			try {
				Thread.sleep(100);
			} catch (InterruptedException e) {
				return;
			}
		}
		Runtime.getRuntime().halt(142); // as if by SIGALRM
	}

	public static void main(String[] args) throws Exception {
		List<String> todo = Files.readAllLines(Paths.get(args[0]), StandardCharsets.UTF_8);
		results = Paths.get(args[1], "results");
		long seconds = Long.parseLong(args[2]);
		TreeSet<Integer> tried = new TreeSet<>(), failed = new TreeSet<>();
		if (Files.exists(results)) {
			for (String line : Files.readAllLines(results, StandardCharsets.UTF_8)) {
				String[] words = line.split(" ");
				switch (words[0]) {
				case "start":
					tried.add(Integer.valueOf(words[1]));
					failed.add(Integer.valueOf(words[1]));
					break;
				case "alone": // twice is enough
				case "ok":
					failed.remove(Integer.valueOf(words[1]));
				}
			}
		}
		Thread watch = new SmokeTest();
		watch.setDaemon(true);
		boolean fresh = true; // this process
		for (int i = 0; i < todo.size(); i++) {
			if (!tried.contains(i)) {
				fresh = false;
				note("start " + i);
				if (!load(i, todo.get(i), seconds, watch)) {
					failed.add(i);
				}
			}
		}
		// What one class does may break another: what failed is tried once more
		// in a process of its own.
		if (!failed.isEmpty() && fresh) {
			note("alone " + failed.first());
			load(failed.first(), todo.get(failed.first()), seconds, watch);
		}
		if (failed.size() < (fresh ? 2 : 1)) {
			Files.write(Paths.get(args[1], "done"), new byte[0]);
		}
		Runtime.getRuntime().halt(0); // whatever threads were started
	}

	private static void note(String line) throws IOException {
		try (FileWriter w = new FileWriter(results.toFile(), true)) {
			w.write(line + "\n");
		}
	}

	private static boolean load(int i, String item, long seconds, Thread watch) throws IOException {
		end = System.nanoTime() + seconds * 1000000000L;
		if (!watch.isAlive()) {
			watch.start();
		}
		String failure = load(item.split(" "));
		end = Long.MAX_VALUE;
		note(failure == null ? "ok " + i : "fail " + i + " " + failure);
		return failure == null;
	}

	/** Returns why an item cannot be loaded, or null. */
	private static String load(String[] words) {
		ClassLoader loader = SmokeTest.class.getClassLoader();
		if (words[0].equals("provider")) {
			try {
				Class.forName(words[2], false, loader);
			} catch (Throwable e) {
				return null; // nobody can ask for that service
			}
		}
		boolean provider = words[0].equals("provider");
		boolean init = provider || words[0].equals("native");
		int end = provider ? 2 : words.length;
		String failure = null;
		for (int n = 1; n < end; n++) {
			try {
				Class.forName(words[n], init, loader);
				if (words[0].equals("any")) {
					return null;
				}
			} catch (Throwable e) {
				boolean absent = e instanceof ClassNotFoundException || e instanceof NoClassDefFoundError;
				if (failure == null && !(absent && words[0].equals("native"))) {
					failure = (end > 2 ? words[n] + ": " : "") + describe(e);
				}
			}
		}
		return failure;
	}

	private static String describe(Throwable first) {
		Throwable last = first;
		for (int n = 0; last.getCause() != null && n < 20; n++) {
			last = last.getCause();
		}
		return line(first) + (last == first ? "" : " (" + line(last) + ")");
	}

	private static String line(Throwable e) {
		String text = String.valueOf(e).replaceAll("\\s+", " ").trim();
		return text.length() > 240 ? text.substring(0, 240) + "..." : text;
	}
}
