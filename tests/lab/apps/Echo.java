// SPDX-License-Identifier: Apache-2.0
// java Echo.java server PORT | client HOST PORT FILE COUNT: blocking sockets, a thread for each; the server echoes, the
// client sends the file so many times at once and compares. Exit status 1 where anything came back changed.

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public final class Echo {
    public static void main(String[] words) throws Exception {
        if (words[0].equals("server")) {
            serve(Integer.parseInt(words[1]));
        } else {
            byte[] content = Files.readAllBytes(Path.of(words[3]));
            System.exit(ask(words[1], Integer.parseInt(words[2]), content, Integer.parseInt(words[4])) ? 0 : 1);
        }
    }

    private static void serve(int port) throws IOException {
        try (ServerSocket door = new ServerSocket(port, 50, InetAddress.getByName("::"))) {
            while (true) {
                Socket one = door.accept();
                new Thread(() -> echo(one)).start();
            }
        }
    }

    private static void echo(Socket one) {
        try (one) {
            one.getInputStream().transferTo(one.getOutputStream());
        } catch (IOException error) {
            System.err.println(error);
        }
    }

    private static boolean ask(String host, int port, byte[] content, int count) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(2 * count);
        List<Future<Boolean>> all = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            all.add(pool.submit(() -> same(new Socket(host, port), content, pool)));
        }
        boolean good = true;
        for (Future<Boolean> one : all) {
            good &= one.get();
        }
        return good;
    }

    private static boolean same(Socket one, byte[] content, ExecutorService pool) throws Exception {
        try (one) {
            Future<?> sent = pool.submit(() -> send(one, content));
            byte[] got = one.getInputStream().readNBytes(content.length);
            sent.get();
            return Arrays.equals(got, content);
        }
    }

    private static Void send(Socket one, byte[] content) throws IOException {
        one.getOutputStream().write(content);
        return null;
    }
}
